// The CUDA twin of distillation_rows.cpp: a block of threads for each row of both heads, on raw device
// memory.
#pragma once
#include <cstdint>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

/// Rows of logits (m,V), `stride` elements apart.
struct LogitRows {
  void* data;
  int64_t stride;
  Element type;
};

/// Student and teacher are both f64, or neither is; (m) of float, double for f64.
struct DistillationArguments {
  LogitRows student, teacher;
  const int64_t* targets;  // (m); below 0: no loss; not below V: the loss is no number
  void *log_sums, *soft_log_sums, *teacher_log_sums, *nll, *divergence;
  int64_t rows, vocab;
  double softness;    // 1 / temperature
  double hard, soft;  // factors of the gradient: 1 - alpha; alpha weight / temperature
  bool reverse;       // KL(q || p) rather than KL(p || q)
};

/// Writes the five numbers of each row.
void distillation_losses(const DistillationArguments& arguments, Stream stream);

/// Reads them; student <- the gradient.
void distillation_gradients(const DistillationArguments& arguments, Stream stream);

}  // namespace tongueforge::kernels::cuda
