// The backward pass of embedding.cpp on CUDA: sums of rows that share an id, on raw device memory.
#pragma once
#include <cstdint>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

/// Places that one block adds up; a run of equal ids that crosses its border is added up from parts.
constexpr int64_t kEmbeddingTile = 32;

inline int64_t embedding_tiles(int64_t places) { return (places + kEmbeddingTile - 1) / kEmbeddingTile; }

struct EmbeddingGradient {
  const int64_t *ids, *places;  // (M): sorted, and where in grad_y each of them stands
  const void* grad_y;           // (M,D)
  void* grad_weight;            // (V,D), zeros; gets the rows of the ids
  void* parts;                  // (tiles,2,D) of float, double for f64
  int64_t m, d;
};

/// Writes the rows of all ids.
void embedding_gradient(Element type, const EmbeddingGradient& arguments, Stream stream);

}  // namespace tongueforge::kernels::cuda
