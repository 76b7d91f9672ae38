// Root mean square normalisation: y = x / sqrt(mean(x^2) + eps) * weight (Zhang & Sennrich 2019, arXiv
// 1910.07467).
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// x (..., D), weight (D) -> (..., D). Normalises in float32 whatever the dtype of x; differentiable.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace tongueforge::kernels
