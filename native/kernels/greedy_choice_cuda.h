// The CUDA twin of greedy_choice.cpp, on raw device memory.
#pragma once
#include <cstdint>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

struct GreedyChoice {
  const void* logits;  // (B,V) dense
  int64_t* ids;        // (B)
  float* best;         // (B)
  int64_t rows, vocabulary;
};

void greedy_choice(Element type, const GreedyChoice& arguments, Stream stream);

}  // namespace tongueforge::kernels::cuda
