#include "binding/read_spec.h"

#include "core/error.h"
#include "models/decoder.h"
#include "models/speech_encoder.h"
#include "models/text_encoder.h"

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

// Layers of all kinds have sizes and ranks.
template <class Layer>
Layer read_sizes(const Options& o) {
  Layer layer;
  layer.num_heads = o.integer("num_heads");
  layer.num_kv_heads = o.integer("num_kv_heads");
  layer.intermediate_size = o.integer("intermediate_size");
  for (const auto& [name, rank] : o.table("ranks")) layer.ranks[name] = static_cast<int64_t>(rank);
  return layer;
}

models::LayerSpec read_layer(const Options& o) {
  auto layer = read_sizes<models::LayerSpec>(o);
  layer.window = o.integer("window");
  return layer;
}

models::EncoderHead head_from_name(const std::string& name) {
  if (name == "masked_lm") return models::EncoderHead::masked_lm;
  if (name == "classification") return models::EncoderHead::classification;
  return models::EncoderHead::none;
}

models::SpeechNames names_from_architecture(const std::string& name) {
  if (name == "hubert") return models::SpeechNames::hubert;
  return name == "wav2vec2" ? models::SpeechNames::wav2vec2 : models::SpeechNames::melhubert;
}

nn::SampleNorm norm_from_name(const std::string& name) {
  if (name == "channel") return nn::SampleNorm::channel;
  return name == "frame" ? nn::SampleNorm::frame : nn::SampleNorm::none;
}

models::SampleConvolutionSpec read_convolution(const Options& o) {
  return {.channels = o.integer("channels"),
          .kernel = o.integer("kernel"),
          .stride = o.integer("stride"),
          .bias = o.flag("bias"),
          .norm = norm_from_name(o.text("norm"))};
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
  for (const auto& layer : o.objects("layers")) spec.layers.push_back(read_layer(layer));
  return spec;
}

models::EncoderSpec read_encoder_spec(const Options& o) {
  models::EncoderSpec spec;
  const bool is_bert = o.text("architecture") == "bert";
  spec.names = is_bert ? models::EncoderNames::bert : models::EncoderNames::roberta;
  spec.head = head_from_name(o.text("head"));
  spec.bare = o.flag("bare");
  spec.next_sentence = o.flag("next_sentence");
  spec.vocab_size = o.integer("vocab_size");
  spec.hidden_size = o.integer("hidden_size");
  spec.head_dim = o.integer("head_dim");
  spec.max_positions = o.integer("max_positions");
  spec.first_position = o.integer("first_position");
  spec.type_vocab_size = o.integer("type_vocab_size");
  spec.num_labels = static_cast<int64_t>(o.texts("labels").size());
  spec.layer_norm_eps = o.number("layer_norm_eps");
  spec.activation = nn::activation_from_name(o.text("hidden_act"));
  spec.head_activation = nn::activation_from_name(o.text("head_act"));
  spec.tied_head = o.flag("tie_word_embeddings");
  for (const auto& layer : o.objects("layers"))
    spec.layers.push_back(read_sizes<models::EncoderLayerSpec>(layer));
  return spec;
}

models::SpeechSpec read_speech_spec(const Options& o) {
  models::SpeechSpec spec;
  spec.names = names_from_architecture(o.text("architecture"));
  spec.bare = o.flag("bare");
  spec.frame_width = o.integer("frame_width");
  for (const auto& convolution : o.objects("convolutions"))
    spec.convolutions.push_back(read_convolution(convolution));
  spec.convolution_activation = nn::activation_from_name(o.text("convolution_act"));
  spec.projection_norm = o.flag("projection_norm");
  spec.masked_embedding = o.flag("masked_embedding");
  spec.hidden_size = o.integer("hidden_size");
  spec.head_dim = o.integer("head_dim");
  spec.position_kernel = o.integer("position_kernel");
  spec.position_groups = o.integer("position_groups");
  spec.position_weight_norm = o.flag("position_weight_norm");
  spec.num_clusters = o.integer("vocab_size");
  spec.layer_norm_eps = o.number("layer_norm_eps");
  spec.activation = nn::activation_from_name(o.text("hidden_act"));
  spec.norm_first = o.flag("norm_first");
  for (const auto& layer : o.objects("layers"))
    spec.layers.push_back(read_sizes<models::EncoderLayerSpec>(layer));
  return spec;
}

std::shared_ptr<models::Model> make_model(const Options& spec) {
  const auto kind = spec.text("kind");
  if (kind == "decoder") return std::make_shared<models::Decoder>(read_decoder_spec(spec));
  if (kind == "encoder") return std::make_shared<models::TextEncoder>(read_encoder_spec(spec));
  if (kind == "speech") return std::make_shared<models::SpeechEncoder>(read_speech_spec(spec));
  throw Error("ERR_INTERNAL", str("Expected a spec of a known kind, received ", kind));
}

}  // namespace tongueforge::binding
