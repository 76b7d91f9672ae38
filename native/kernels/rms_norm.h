// Root mean square normalisation: y = x / sqrt(mean(x^2) + eps) * weight (Zhang & Sennrich 2019, arXiv
// 1910.07467), fused, with a hand-written backward that keeps one number a row.
#pragma once
#include <ATen/core/Tensor.h>

#include <utility>

namespace tongueforge::kernels {

/// x (..., D), weight (D) -> (..., D). Sums in float32 (float64 for float64); the normalised x is rounded to
/// its dtype before the weight, as Llama does. Differentiable in both.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

/// The step between two blocks of a residual stream: x, branch (..., D) of one dtype, weight (D) -> x +
/// branch, and its norm. Differentiable in all three.
std::pair<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x, const at::Tensor& branch,
                                               const at::Tensor& weight, double eps);

}  // namespace tongueforge::kernels
