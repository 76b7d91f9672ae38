// The CUDA twin of swiglu.cpp: its kernels on raw device memory, all of one element type.
#pragma once
#include <cstdint>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

/// Rows of `f` elements that lie `stride` elements apart.
struct Rows {
  void* data;
  int64_t stride;
};
struct ConstRows {
  const void* data;
  int64_t stride;
};

struct SwigluForward {
  ConstRows gate, up;
  Rows y;
  int64_t rows, f;
};

/// y = silu(gate) up.
void swiglu_forward(Element type, const SwigluForward& arguments, Stream stream);

struct SwigluBackward {
  ConstRows gate, up, grad_y;
  Rows grad_gate, grad_up;
  int64_t rows, f;
};

void swiglu_backward(Element type, const SwigluBackward& arguments, Stream stream);

}  // namespace tongueforge::kernels::cuda
