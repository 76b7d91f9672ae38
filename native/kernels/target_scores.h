// What the head of a language model says of given tokens, without a gradient and without ever holding all
// logits.
#pragma once
#include <ATen/core/Tensor.h>

#include "kernels/head.h"

namespace tongueforge::kernels {

struct TargetScores {
  at::Tensor log_probs;  // (M) float32 (float64 for float64): log softmax(hidden weight^T)[target]
  at::Tensor is_best;    // (M) bool: whether the target is the first of the most probable tokens
};

/// hidden (M,D), weight (V,D), targets (M) int64 -> both, where hidden is. Any floating dtype; statistics are
/// taken in float32 of logits in the dtype of hidden.
TargetScores target_scores(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                           const ChunkOptions& chunks = {});

}  // namespace tongueforge::kernels
