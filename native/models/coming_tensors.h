// Tensors one by one between memory, or elsewhere, and a safetensors file: all of them at once may be too
// many.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "core/job.h"
#include "models/weights.h"

namespace tongueforge::models {

/// A tensor that is there when it is asked for: made then, or fetched.
struct ComingTensor {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  std::function<at::Tensor()> get;

  static ComingTensor of(const NamedTensor& tensor);
};

/// As save_tensors(): each is asked for when the one before it is written.
void save_coming(const std::string& path, const std::vector<ComingTensor>& tensors, Job& job);

class StoredTensors {
 public:
  explicit StoredTensors(const std::string& path) : file_(checkpoint::SafetensorsFile::open(path)) {}

  /// Undefined where the file has none of this name.
  at::Tensor read(const std::string& name, Job& job) const;

 private:
  checkpoint::SafetensorsFile file_;
};

}  // namespace tongueforge::models
