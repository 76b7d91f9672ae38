// All layers of a Llama-like decoder on one new token a sequence, in one launch: on a GPU, the time between
// the launches of a few rows is longer than what many of them take. The blocks stay, wait for each other
// between two phases, and have the weights of the next phases on their way from memory meanwhile.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/thin_product.h"

namespace tongueforge::kernels {

/// What a layer reads and writes. Letters as in kernels/decode_attention.h; D model, F inner.
struct DecodeLayerTensors {
  at::Tensor attention_norm, mlp_norm;    // (D)
  ThinWeight q, k, v, o, gate, up, down;  // (NH,D), (KH,D) twice, (D,NH), (F,D) twice, (D,F)
  at::Tensor cache_k, cache_v;            // (B,K,S,H)
  int64_t window = 0;                     // keys that a query sees at most; 0: all
};

/// What all layers share.
struct DecodeSetting {
  at::Tensor cos, sin;  // (1,1,S,H), of every place
  at::Tensor place;     // (1) int64
  int64_t head_dim;
  double eps;  // of the norms
};

/// Whether the kernel takes them: on a CUDA device whose blocks can wait for each other, no gradients
/// recorded, at most 4 sequences, one dtype but float64, everything dense, rows of whole accesses of 16
/// bytes.
bool takes_decode_layers(const at::Tensor& x_B1D, const std::vector<DecodeLayerTensors>& layers,
                         const DecodeSetting& setting);

/// The residual stream behind the layers, (B,1,D), rounded where the single operations round it; keys and
/// values are written to the cache at the place. The same bytes each time on one GPU.
at::Tensor decode_layers(const at::Tensor& x_B1D, const std::vector<DecodeLayerTensors>& layers,
                         const DecodeSetting& setting);

}  // namespace tongueforge::kernels
