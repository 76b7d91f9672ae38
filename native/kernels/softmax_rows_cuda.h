// The CUDA twin of softmax_rows.cpp: a block of threads for each row, on raw device memory.
#pragma once
#include <cstdint>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

struct SoftmaxLosses {
  const void* logits;       // (m,V), rows `stride` elements apart
  const int64_t* targets;   // (m); below 0: no loss; not below V: the loss is no number
  void *log_sums, *losses;  // (m) of float, double for f64
  int64_t rows, vocab, stride;
};

/// log sum exp of each row in one pass, and that less the logit of the target.
void softmax_losses(Element type, const SoftmaxLosses& arguments, Stream stream);

struct SoftmaxGradients {
  void* logits;                   // (m,V) as above, where the gradient is left
  const int64_t* targets;         // (m)
  const void *log_sums, *scales;  // (m) of float, double for f64
  double z_loss;
  int64_t rows, vocab, stride;
};

/// The gradient of sum(scales (losses + z_loss log_sums^2)).
void softmax_gradients(Element type, const SoftmaxGradients& arguments, Stream stream);

}  // namespace tongueforge::kernels::cuda
