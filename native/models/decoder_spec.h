// Sizes and options of a decoder, as read from its config.json by the facade.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/block.h"
#include "nn/rope.h"

namespace tongueforge::models {

/// Sizes may differ from layer to layer: pruned models are first-class.
struct LayerSpec : LayerSizes {
  int64_t window = 0;                    // sliding window in tokens, 0 = none
  std::map<std::string, int64_t> ranks;  // of linear layers that are factored, by "self_attn.q_proj"
};

struct DecoderSpec {
  int64_t vocab_size = 0, hidden_size = 0, head_dim = 0, max_positions = 0;
  double rms_norm_eps = 1e-6;
  bool tied_head = false;  // the output head is the embedding
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool qk_norm = false;  // RMSNorm over each head's query and key (Qwen3)
  nn::RopeSpec rope;
  std::vector<LayerSpec> layers;
};

}  // namespace tongueforge::models
