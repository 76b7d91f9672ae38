// How far the hidden states of a student are from those of its teacher: DistilHuBERT's loss (Chang et al.
// 2022, arXiv 2110.01900).
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// student, teacher (M,D) -> scalar, float32 (float64 for float64): the sum over the rows of
/// mean |s - t| - cosine log sigmoid(cos(s, t)). Differentiable once in the student: its gradient is made on
/// the way forward, and is all that is kept.
at::Tensor hidden_match(const at::Tensor& student, const at::Tensor& teacher, double cosine);

}  // namespace tongueforge::kernels
