// The weights of a folder by the names that a model gives them, and their bytes as tensors.
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <set>
#include <string>

#include "checkpoint/model_weights.h"
#include "core/job.h"
#include "models/model.h"

namespace tongueforge::models {

/// Looks into `weights`, which must outlive it. Throws ERR_UNEXPECTED_TENSOR where two of them have one name.
class NamedWeights {
 public:
  NamedWeights(const checkpoint::ModelWeights& weights, const Model& model);

  /// nullptr where there is none.
  const checkpoint::Weight* find(const std::string& name) const;
  std::set<std::string> names() const;

 private:
  std::map<std::string, const checkpoint::Weight*> by_name_;
};

/// As it is stored, on the CPU. Asks the job every few megabytes.
at::Tensor read_tensor(const checkpoint::SafetensorsFile& file, const checkpoint::TensorInfo& info,
                       const Job& job);

/// Throws ERR_SHAPE_MISMATCH where a parameter is stored in another shape than the model's.
void check_shape(const Parameter& parameter, const std::vector<int64_t>& shape, const std::string& file);

}  // namespace tongueforge::models
