// A model that takes part in a merge: its files, and perhaps a LoRA adapter that is merged into it on the
// way.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/model_weights.h"
#include "core/error.h"
#include "merge/adapter/adapter_merge.h"

namespace tongueforge::merge {

struct AdapterOptions {
  std::string path;  // adapter_model.safetensors
  std::vector<LowRankSpec> modules;
};

struct MergeModelOptions {
  std::string folder;
  bool tied = false;  // the output head is the embedding
  std::optional<AdapterOptions> adapter;
};

/// A tensor as the model has it: in its own file, or in the adapter's that replaces it.
struct ModelTensor {
  checkpoint::Weight weight;
  /// (rank, columns) and (rows, rank) of a low-rank product, which counts `scale` times; empty: there is
  /// none.
  checkpoint::Weight a, b;
  double scale = 0;

  bool has_product() const { return a.info != nullptr; }
};

class MergeModel {
 public:
  /// @throws what opening throws: ERR_NOT_FOUND, ERR_SAFETENSORS, ERR_SHARD_INDEX, ERR_IO
  explicit MergeModel(const MergeModelOptions& options);

  const std::string& folder() const { return weights_.folder(); }
  /// Why the adapter does not fit the model; see AdapterMerge::problems.
  const std::vector<Error>& problems() const { return problems_; }
  std::optional<ModelTensor> find(const std::string& name) const;
  /// Files with their sizes and times: what decides the bytes of a merge.
  std::string identity() const;
  /// @throws ERR_INPUT_CHANGED
  void check_unchanged() const;

 private:
  const checkpoint::TensorInfo* in_adapter(std::string_view module, std::string_view suffix) const;

  checkpoint::ModelWeights weights_;
  std::unique_ptr<checkpoint::SafetensorsFile> adapter_;  // stays in place: tensors point to it
  std::map<std::string, double> scales_;                  // by module
  std::vector<Error> problems_;
};

}  // namespace tongueforge::merge
