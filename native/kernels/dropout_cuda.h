// The CUDA twin of dropout.h, on raw device memory.
#pragma once
#include <cstdint>

#include "core/random.h"
#include "kernels/cuda/launch.h"

namespace tongueforge::kernels {

/// SplitMix64 of key + place: 32 bits, below the threshold with the probability of dropping.
TONGUEFORGE_ANYWHERE bool is_dropped(uint64_t key, uint64_t place, uint64_t threshold) {
  return (Random(key + place * 0x9e3779b97f4a7c15u).next() >> 32) < threshold;
}

namespace cuda {

struct Drop {
  const float* x;
  float* y;
  int64_t size;
  uint64_t key, threshold;
  float kept_scale;  // of values that stay
};

/// As drop(), to the bit.
void drop(const Drop& arguments, Stream stream);

}  // namespace cuda
}  // namespace tongueforge::kernels
