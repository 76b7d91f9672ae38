// Negative log-likelihood of target tokens.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// logits (M,V) of any float dtype, targets (M) int64 -> scalar float32: sum of -log softmax(logits)[target].
at::Tensor cross_entropy_sum(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace tongueforge::kernels
