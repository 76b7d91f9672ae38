// The CUDA twin of rotary.cpp: queries and keys in one launch, on raw device memory, all of one element type.
#pragma once
#include <cstdint>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

/// Heads (B,N,T,H) read from `x` and written to `y`, each by its own strides in elements; H is dense in both.
struct RotaryHeads {
  const void* x;
  void* y;
  int64_t n, x_b, x_n, x_t, y_b, y_n, y_t;
};

struct Rotary {
  RotaryHeads q, k;
  const void *cos, *sin;  // (B|1,T,H), H dense
  int64_t angle_b;        // stride; 0 where all rows share their positions
  int64_t batch, time, head_dim;
  bool back;  // by the opposite angle
};

/// Turns queries and keys.
void rotary(Element type, const Rotary& arguments, Stream stream);

}  // namespace tongueforge::kernels::cuda
