// Rows of a student's and a teacher's logits, and one target each: how far the two are apart, and the
// gradient in the place of the student's logits.
#pragma once
#include <ATen/core/Tensor.h>

#include "kernels/linear_distillation.h"

namespace tongueforge::kernels {

/// (m) each, float32 (float64 for float64); written by distillation_losses, read by distillation_gradients_.
struct DistillationRows {
  at::Tensor log_sums;          // log sum exp of the student's logits
  at::Tensor soft_log_sums;     // of those over the temperature
  at::Tensor teacher_log_sums;  // of the teacher's over the temperature
  at::Tensor nll;               // log_sum - logit[target]; 0 where the target is negative
  at::Tensor divergence;        // 0 where the target is negative

  DistillationRows narrow(int64_t begin, int64_t m) const;
};

/// student (m,V), teacher (m,V) with dense rows: both float64, or each float32 or bfloat16, on CUDA float16
/// too; targets (m) int64, where a negative one says that the row has no loss.
void distillation_losses(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& targets,
                         const DistillationOptions& options, DistillationRows& rows);

/// student (m,V) <- gradient of sum((1 - alpha) nll + alpha weight divergence) with respect to it, where
/// weight is the square of the temperature, or 1 (DistillationOptions::squared).
void distillation_gradients_(at::Tensor& student, const at::Tensor& teacher, const at::Tensor& targets,
                             const DistillationOptions& options, const DistillationRows& rows);

}  // namespace tongueforge::kernels
