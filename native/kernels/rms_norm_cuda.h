// The CUDA twin of rms_norm.cpp: its kernels on raw device memory, all of one element type, dense rows.
#pragma once
#include <cstdint>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

/// The widest row that the twin takes.
constexpr int64_t kMaxRmsNormWidth = 16384;

struct RmsNormForward {
  const void *x, *branch, *weight;  // (M,D), (M,D) or null, (D)
  void *sum, *y;                    // (M,D): x + branch, not written without a branch; its norm
  void* rstd;                       // (M) of float, double for f64: 1 / sqrt(mean(x^2) + eps)
  int64_t rows, d;
  double eps;
};

/// Normalises the rows of x, or those of x + branch.
void rms_norm_forward(Element type, const RmsNormForward& arguments, Stream stream);

/// Blocks of rows over which the weight's gradient is summed; they depend on the number of rows alone.
int64_t rms_norm_blocks(int64_t rows);

struct RmsNormBackward {
  const void *x, *weight, *grad_y;  // (M,D), (D), (M,D)
  const void* grad_sum;             // (M,D): what flows back along the residual stream; or null
  const void* rstd;                 // (M), as above
  void* grad_x;                     // (M,D)
  void* partial;  // (rms_norm_blocks(M), D) of float, double for f64: sums of the weight's gradient
  int64_t rows, d;
};

/// The gradient of the rows, and that of the weight summed over each block of rows.
void rms_norm_backward(Element type, const RmsNormBackward& arguments, Stream stream);

}  // namespace tongueforge::kernels::cuda
