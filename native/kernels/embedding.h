// Rows of a table by number, and their gradient: each row's is the sum over all places that took it.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// weight (V,D), ids (...) int64 on its device -> (..., D). Differentiable in weight. On CUDA the gradient of
/// a row is summed in float32 (float64 for float64), always in the same order, and rounded once, where ATen
/// adds up to 3072 ids in the weight's own dtype; on the CPU it is ATen's.
at::Tensor embedding(const at::Tensor& weight, const at::Tensor& ids);

}  // namespace tongueforge::kernels
