// The CUDA kernel of decode_layers.cpp, on raw device memory, all of one element type but float64.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

constexpr int64_t kMostDecodeRows = 4;
constexpr int kMostDecodeLayers = 20;  // of a launch: its arguments have room for no more

struct DecodeWeight {
  const void *weight, *bias;  // (out,in), (out) or null
};

struct DecodeLayer {
  const void *attention_norm, *mlp_norm;  // (D)
  DecodeWeight q, k, v, o, gate, up, down;
  void *cache_k, *cache_v;  // (B,K,S,H) dense
  int64_t window;
  int32_t heads, kv_heads, inner;
};

struct DecodeLayers {
  DecodeLayer layers[kMostDecodeLayers];
  int32_t count, batch;
  int64_t hidden, head_dim, capacity;
  void* x;                // (B,D): the residual stream, before and after
  void *qkv, *attended;   // (B, the most (N+2K)H), (B, the most NH)
  void* inner;            // (B, the most F)
  const void *cos, *sin;  // (S,H)
  const int64_t* place;
  float* partial;      // decode_layers_partial() of them
  uint32_t* counters;  // decode_layers_counters() of them
  float eps;
};

/// The greatest of value(layer) over the layers of a launch.
template <class Value>
int64_t most_of(const DecodeLayers& p, const Value& value) {
  int64_t most = 0;
  for (int i = 0; i < p.count; i++) most = std::max<int64_t>(most, value(p.layers[i]));
  return most;
}

/// Whether the device can run the kernel on these sizes.
bool takes_decode_layers(Element type, const DecodeLayers& arguments);

/// Floats that the joined parts of attention take, and counters.
int64_t decode_layers_partial(const DecodeLayers& arguments);
int64_t decode_layers_counters(const DecodeLayers& arguments);

void decode_layers(Element type, const DecodeLayers& arguments, Stream stream);

}  // namespace tongueforge::kernels::cuda
