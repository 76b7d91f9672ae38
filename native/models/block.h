// One Transformer block as compression sees it, whatever the model: linear layers and their sizes.
// Letters: D model, N heads, K kv heads, H head dim, F feed-forward.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "nn/linear.h"

namespace tongueforge::models {

/// What may differ from block to block.
struct LayerSizes {
  int64_t num_heads = 0, num_kv_heads = 0, intermediate_size = 0;
};

/// A linear layer by its name on disk without ".weight": "model.layers.0.self_attn.q_proj".
struct Projection {
  std::string name;
  nn::Linear* linear;
};

/// Pointers into a model, good until its blocks change.
struct Block {
  std::string prefix;             // of all its names: "model.layers.0."
  Projection q, k, v, o;          // (N*H,D), (K*H,D), (K*H,D), (D,N*H)
  std::vector<Projection> widen;  // gate and up, or fc1: (F,D) each
  Projection narrow;              // down, or fc2: (D,F)
  int64_t head_dim = 0;
  LayerSizes sizes;

  /// All of them, in the order of the forward pass.
  std::vector<Projection> linears() const {
    std::vector<Projection> all = {q, k, v, o};
    all.insert(all.end(), widen.begin(), widen.end());
    all.push_back(narrow);
    return all;
  }
};

}  // namespace tongueforge::models
