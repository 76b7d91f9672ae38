// y = x W^T (+ b).
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::nn {

struct Linear {
  at::Tensor weight;  // (out, in)
  at::Tensor bias;    // (out), or undefined

  /// (..., in) -> (..., out)
  at::Tensor operator()(const at::Tensor& x) const;
};

}  // namespace tongueforge::nn
