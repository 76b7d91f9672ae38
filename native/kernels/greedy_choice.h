// The most probable token of each row of logits, where they are.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// logits (B,V) of any floating dtype -> ids (B,1) int64, the first of the greatest or a NaN where there is
/// one, and best (B,1) float32, the greatest itself. On CUDA in one launch; ids and best keep their memory.
void greedy_choice(const at::Tensor& logits, const at::Tensor& ids, const at::Tensor& best);

}  // namespace tongueforge::kernels
