// The CUDA twin of decode_attention.cpp: its kernels on raw device memory, all of one element type but
// float64.
#pragma once
#include <cstdint>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

/// Rows of H dense elements, each at an address that is a multiple of 16 bytes.
struct DecodeRows {
  const void* data;
  int64_t of_sequence, of_head;  // strides in elements
};

struct DecodeAttention {
  DecodeRows q, k, v;       // (B,N,H), (B,K,H) twice
  const void *cos, *sin;    // (S,H) dense; null where q and k are turned already
  void *cache_k, *cache_v;  // (B,K,S,H) dense
  void* out;                // (B,N,H) dense
  const int64_t* place;     // of the new key
  float* partial;           // (B,N, splits, H+2), where there is more than one
  int64_t batch, heads, kv_heads, capacity, head_dim, window, splits;
};

/// Whether rows of so many elements can be read 16 bytes at a time by the lanes of one warp.
bool takes_decode_rows(Element type, int64_t head_dim);

/// Whether it can turn them, too: half of a row is of whole accesses.
bool takes_decode_turn(Element type, int64_t head_dim);

/// Parts into which the keys are cut: enough to busy a GPU; depends on these sizes alone.
int64_t decode_splits(int64_t batch, int64_t heads, int64_t kv_heads, int64_t capacity);

void decode_attention(Element type, const DecodeAttention& arguments, Stream stream);

}  // namespace tongueforge::kernels::cuda
