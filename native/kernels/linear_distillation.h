// The heads of a student and its teacher and the loss between them in one op that never holds all logits of
// either: knowledge distillation (Hinton et al. 2015, arXiv 1503.02531) beside the cross-entropy of the
// targets. As linear_cross_entropy: the gradient of a chunk is made while its logits are there.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "kernels/head.h"

namespace tongueforge::kernels {

/// Of the softmax p of the teacher's logits and q of the student's, both over the temperature.
enum class Divergence {
  forward,  // KL(p || q): the student covers all that the teacher may say
  reverse,  // KL(q || p): the student keeps to what the teacher is sure of (MiniLLM, arXiv 2306.08543)
};

/// From "forward" | "reverse". Throws ERR_USAGE.
Divergence divergence_from_name(const std::string& name);

struct DistillationOptions {
  double temperature = 1;  // above 0
  double alpha = 1;        // share of the divergence; the rest is the cross-entropy of the targets
  bool squared = true;     // the divergence counts temperature^2 times: its gradient is about as large at all
  Divergence divergence = Divergence::forward;
  ChunkOptions chunks{};

  double divergence_weight() const { return squared ? temperature * temperature : 1; }
};

/// Sums over the rows with a target, scalars in float32 (float64 for float64).
struct DistillationParts {
  at::Tensor total;       // (1 - alpha) nll + alpha temperature^2 divergence; differentiable
  at::Tensor nll;         // of the targets under the student, at temperature 1; without a graph
  at::Tensor divergence;  // without its weight; without a graph
};

/// Student and teacher (their widths may differ, V may not) and targets (M) int64, negative where a row has
/// no loss. Differentiable once in the student's hidden and weight; nothing flows to the teacher. With alpha
/// = 0 the total is linear_cross_entropy's, to the bit.
DistillationParts linear_distillation(const HeadInputs& student, const HeadInputs& teacher,
                                      const at::Tensor& targets, const DistillationOptions& options);

}  // namespace tongueforge::kernels
