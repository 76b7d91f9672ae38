// The ops of this folder as plain compositions of ATen, simple enough to trust by reading. The tests compare
// the fused code with them; they also serve the dtypes and devices that have none.
#pragma once
#include <ATen/core/Tensor.h>

#include <utility>

#include "kernels/adafactor.h"
#include "kernels/linear_distillation.h"

namespace tongueforge::kernels::reference {

/// x (..., D), weight (D) -> (..., D).
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

/// x, branch (..., D), weight (D) -> x + branch, and its norm.
std::pair<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x, const at::Tensor& branch,
                                               const at::Tensor& weight, double eps);

/// x (B,N,T,H); cos, sin (B|1,1,T,H) -> (B,N,T,H).
at::Tensor apply_rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

/// gate, up (..., F) -> (..., F).
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

/// hidden (M,D), weight (V,D), targets (M) int64 -> (M): log softmax(hidden weight^T)[target], in float32 or
/// wider; 0 where the target is negative.
at::Tensor token_log_probs(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets);

/// As above -> (M): z * log(sum exp(logits))^2 - log_prob; a bias (V) is added to the logits.
at::Tensor token_losses(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                        double z_loss, const at::Tensor& maybe_bias = {});

/// As linear_distillation -> (M) each: -log softmax(z)[target], and the divergence of the softmaxes over the
/// temperature; 0 where the target is negative.
std::pair<at::Tensor, at::Tensor> distillation_losses(const HeadInputs& student, const HeadInputs& teacher,
                                                      const at::Tensor& targets,
                                                      const DistillationOptions& options);

/// student, teacher (M,D) -> (M): mean |s - t| - cosine log sigmoid(cos(s, t)).
at::Tensor hidden_match(const at::Tensor& student, const at::Tensor& teacher, double cosine);

/// Algorithm 4 of the paper, decoupled from the size of the parameter; in place, on any device.
void adafactor_(const AdafactorState& state, const AdafactorCoefficients& coefficients);

}  // namespace tongueforge::kernels::reference
