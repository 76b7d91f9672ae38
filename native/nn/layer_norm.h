// Mean 0 and variance 1 over the last dimension, then scale and shift (Ba et al. 2016, arXiv 1607.06450).
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::nn {

struct LayerNorm {
  at::Tensor weight, bias;  // (D)
  double eps = 1e-12;

  /// (..., D) -> (..., D)
  at::Tensor operator()(const at::Tensor& x) const;
};

}  // namespace tongueforge::nn
