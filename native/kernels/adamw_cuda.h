// The CUDA twin of adamw.cpp: a list of tensors in few launches, on raw device memory.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

/// One parameter of `size` elements, all arrays in one order.
struct AdamWTensor {
  void* master;           // float, or the weight itself
  void* weight;           // gets the rounded master; null: the master is all there is
  const void* gradient;   // float, or of the weight's type
  float *first, *second;  // moments
  int64_t size;
  uint32_t number;  // of the parameter: with seed and count it decides what stochastic rounding does
};

/// What the elements of all tensors of a call are; float64 is none of them.
struct AdamWTypes {
  Element master, weight, gradient;
};

struct AdamWArguments {
  const double* lr;    // on the device, as the next two
  const float* count;  // updates, this one included
  const float* scale;  // of the gradients; null: 1. NaN: nothing is written
  double beta1, beta2, eps, weight_decay;
  bool stochastic;
  uint64_t seed;
};

/// Updates masters and moments, and writes the weights.
void adamw(const AdamWTypes& types, const std::vector<AdamWTensor>& tensors, const AdamWArguments& arguments,
           Stream stream);

}  // namespace tongueforge::kernels::cuda
