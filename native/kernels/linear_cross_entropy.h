// The head of a language model and its loss in one op that never holds all logits: rows go through in chunks,
// and the gradient of a chunk is made while its logits are there (as in Liger, arXiv 2410.10989, and Cut
// Cross-Entropy, arXiv 2411.09009).
#pragma once
#include <ATen/core/Tensor.h>

#include "kernels/head.h"

namespace tongueforge::kernels {

struct CrossEntropyOptions {
  double z_loss = 0;         // adds z_loss * log(sum exp(logits))^2 to each row (PaLM, arXiv 2204.02311)
  at::Tensor row_weights{};  // (M) float, multiply the losses; undefined: all 1
  at::Tensor bias{};         // (V), added to the logits of each row; undefined: none
  ChunkOptions chunks{};
};

/// hidden (M,D), weight (V,D), targets (M) int64, negative where a row has no loss -> scalar, float32
/// (float64 for float64): the sum of -log softmax(hidden weight^T + bias)[target]. Differentiable once in
/// hidden, weight and bias: their gradients are made on the way forward, those of the last two summed in
/// float32, and handed out by one backward pass.
at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                                const CrossEntropyOptions& options = {});

/// What linear_cross_entropy gives, and beside it, without a graph, the same sum without z-loss.
struct CrossEntropyParts {
  at::Tensor total, nll;
};
CrossEntropyParts linear_cross_entropy_parts(const at::Tensor& hidden, const at::Tensor& weight,
                                             const at::Tensor& targets, const CrossEntropyOptions& options);

/// As above -> (M) float32 (float64 for float64): log softmax(hidden weight^T)[target] of each row.
/// Differentiable in hidden and weight; backward computes the logits again, chunk by chunk, since each row
/// gets a gradient of its own.
at::Tensor token_log_probs(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                           const ChunkOptions& chunks = {});

}  // namespace tongueforge::kernels
