// The CUDA kernel of thin_product.cpp, on raw device memory, all of one element type but float64.
#pragma once
#include <cstdint>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

constexpr int64_t kMostThinRows = 4, kMostThinParts = 3;

struct ThinPart {
  const void *weight, *bias;  // (out,in), (out) or null
  void* y;                    // (M,out)
  int64_t out;
};

/// Rows begin at multiples of 16 bytes.
struct ThinProduct {
  const void* x;  // (M,in)
  int64_t rows, in;
  ThinPart parts[kMostThinParts];  // those behind the last have no `out`
};

/// y = x weight^T + bias, for each part; one launch.
void thin_product(Element type, const ThinProduct& arguments, Stream stream);

/// y of the first part = silu(x gate^T) (x up^T), with the products rounded before; no bias.
void thin_gated_product(Element type, const ThinProduct& arguments, Stream stream);

}  // namespace tongueforge::kernels::cuda
