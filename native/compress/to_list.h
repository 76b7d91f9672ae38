// Scores leave tensors.
#pragma once
#include <vector>

#include "kernels/aten.h"

namespace tongueforge::compress {

/// The values of a float64 tensor of one dimension.
inline std::vector<double> to_list(const at::Tensor& values) {
  const auto dense = values.contiguous();
  const auto* const first = dense.const_data_ptr<double>();
  return {first, first + dense.numel()};
}

}  // namespace tongueforge::compress
