// A LoRA adapter (Hu et al. 2021, arXiv 2106.09685) merged into the files of its model: W + scale * B A, from
// files to files by merge/stream/stream.h. Memory is the largest adapter of one layer a thread and a few
// megabytes, whatever the model's size; the output has the model's shards, headers, order and dtypes, and all
// that the adapter does not touch byte for byte.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/model_weights.h"
#include "core/error.h"
#include "core/job.h"
#include "core/value.h"
#include "merge/low_rank_kernel.h"
#include "merge/stream/stream.h"

namespace tongueforge::merge {

/// What the adapter's config says of one module.
struct LowRankSpec {
  std::string module;  // "model.layers.0.self_attn.q_proj"
  int64_t rank = 0;
  double scale = 1;
};

struct AdapterMergeReport {
  uint64_t tensors_merged = 0;    // with a low-rank product added
  uint64_t tensors_replaced = 0;  // trained as a whole: PEFT's modules_to_save
  uint64_t tensors_copied = 0;
  uint64_t bytes_read = 0, bytes_written = 0;
  RoundingSums rounding;          // of the merged tensors
  double max_relative_error = 0;  // the largest max_error / max_value of a tensor
};

/// {tensors_merged, tensors_replaced, tensors_copied, bytes_read, bytes_written, nonfinite,
///  rounding: {max_relative, mean_relative}}
Value to_value(const AdapterMergeReport& report);

class AdapterMerge {
 public:
  /// Opens both, and matches them by name from headers alone. `tied`: the output head is the embedding.
  /// @throws what opening throws: ERR_NOT_FOUND, ERR_SAFETENSORS, ERR_SHARD_INDEX, ERR_IO
  AdapterMerge(const std::string& model_folder, const std::string& adapter_file,
               const std::vector<LowRankSpec>& modules, bool tied);
  AdapterMerge(const AdapterMerge&) = delete;  // its steps point into the files

  /// Why it cannot run, each with a code and up to 20 tensor names: ERR_MISSING_TENSOR,
  /// ERR_UNEXPECTED_TENSOR, ERR_SHAPE_MISMATCH, ERR_TIED_WEIGHTS, ERR_DTYPE. Empty: it can.
  const std::vector<Error>& problems() const { return problems_; }
  uint64_t bytes_to_read() const { return bytes_to_read_; }
  uint64_t bytes_to_write() const { return output_.bytes_to_write(); }

  /// Writes the weight files (and the index of a sharded model) into an existing folder, or goes on where an
  /// earlier run of the same merge stopped.
  /// @throws the first problem, ERR_INPUT_CHANGED, ERR_IO, ERR_NO_SPACE, Cancelled
  AdapterMergeReport run(const std::string& staged_folder, Job& job) const;

 private:
  class Planner;

  /// What becomes of a tensor of the model.
  enum class Fate : uint8_t { copied, merged, replaced };

  checkpoint::ModelWeights model_;
  checkpoint::SafetensorsFile adapter_;
  std::string settings_;  // the specs, for the identity of the work
  OutputModel output_;
  std::map<std::string, Fate, std::less<>> fates_;  // by tensor
  std::vector<Error> problems_;
  uint64_t bytes_to_read_ = 0;
};

}  // namespace tongueforge::merge
