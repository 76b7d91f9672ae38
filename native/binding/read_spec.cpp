#include "binding/read_spec.h"

namespace tongueforge::binding {
namespace {

nn::RopeSpec read_rope_spec(const Options& rope) {
  nn::RopeSpec spec;
  spec.kind = nn::rope_kind_from_name(rope.text("kind"));
  spec.theta = rope.number("theta");
  spec.factor = rope.number("factor");
  spec.original_max_positions = rope.integer("original_max_positions");
  spec.low_freq_factor = rope.number("low_freq_factor");
  spec.high_freq_factor = rope.number("high_freq_factor");
  spec.beta_fast = rope.number("beta_fast");
  spec.beta_slow = rope.number("beta_slow");
  spec.attention_factor = rope.number("attention_factor");
  spec.truncate = rope.flag("truncate");
  return spec;
}

}  // namespace

models::DecoderSpec read_decoder_spec(const Options& o) {
  models::DecoderSpec spec;
  spec.vocab_size = o.integer("vocab_size");
  spec.hidden_size = o.integer("hidden_size");
  spec.head_dim = o.integer("head_dim");
  spec.max_positions = o.integer("max_positions");
  spec.rms_norm_eps = o.number("rms_norm_eps");
  spec.tied_head = o.flag("tie_word_embeddings");
  spec.qkv_bias = o.flag("attention_bias");
  spec.o_bias = o.flag("o_bias");
  spec.mlp_bias = o.flag("mlp_bias");
  spec.qk_norm = o.flag("qk_norm");
  spec.rope = read_rope_spec(o.object("rope"));
  for (const int64_t window : o.integers("layer_windows"))
    spec.layers.push_back(
        {o.integer("num_heads"), o.integer("num_kv_heads"), o.integer("intermediate_size"), window});
  return spec;
}

}  // namespace tongueforge::binding
