// Rows of logits and one target each: the loss of every row, and its gradient in the place of the logits.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// logits (m,V) float32, bfloat16 or float64, on CUDA float16 too, with dense rows; targets (m) int64, where
/// a negative one says that the row has no loss. Writes, in float32 (float64 for float64):
///   log_sums (m): log sum exp of each row;
///   losses (m): log_sum - logit[target]; on CUDA NaN where the target is no row of the vocabulary.
void softmax_losses(const at::Tensor& logits, const at::Tensor& targets, at::Tensor& log_sums,
                    at::Tensor& losses);

/// logits (m,V) <- gradient of sum(scales (losses + z_loss log_sums^2)) with respect to them; log_sums as
/// softmax_losses gave them, scales (m) of their dtype.
void softmax_gradients_(at::Tensor& logits, const at::Tensor& targets, double z_loss,
                        const at::Tensor& log_sums, const at::Tensor& scales);

}  // namespace tongueforge::kernels
