#include "models/text_encoder.h"

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/embedding.h"
#include "kernels/linear.h"
#include "kernels/packed_documents.h"
#include "kernels/transfer.h"
#include "nn/recompute.h"

namespace tongueforge::models {
namespace {

using K = ParameterKind;

// ---- names on disk ----

// Within a layer; the same in both families.
constexpr const char *kQ = "attention.self.query", *kK = "attention.self.key", *kV = "attention.self.value",
                     *kO = "attention.output.dense", *kAttentionNorm = "attention.output.LayerNorm",
                     *kWiden = "intermediate.dense", *kNarrow = "output.dense",
                     *kMlpNorm = "output.LayerNorm";
// After the name of the base model.
constexpr const char *kWords = "embeddings.word_embeddings.weight", *kPooler = "pooler.dense";

/// What differs between the families.
struct Names {
  const char* base;
  const char *masked_dense, *masked_norm, *decoder, *masked_bias;
  const char* classifier;
};
constexpr Names kNames[] = {
    {"bert.", "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
     "cls.predictions.decoder", "cls.predictions.bias", "classifier"},
    {"roberta.", "lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias",
     "classifier.out_proj"},
};

const Names& names_of(const EncoderSpec& spec) { return kNames[static_cast<size_t>(spec.names)]; }

nn::Linear& linear_of(nn::EncoderLayer& l, const std::string& name) {
  const std::pair<const char*, nn::Linear*> all[] = {{kQ, &l.q}, {kK, &l.k},         {kV, &l.v},
                                                     {kO, &l.o}, {kWiden, &l.widen}, {kNarrow, &l.narrow}};
  for (const auto& [known, linear] : all)
    if (name == known) return *linear;
  throw Error("ERR_MODEL_CONFIG", str("Expected a linear layer of a block to be factored, received ", name));
}

void append_norm(std::vector<Parameter>& all, const std::string& name, nn::LayerNorm& norm, int64_t size) {
  all.push_back({name + ".weight", &norm.weight, {size}, K::norm});
  all.push_back({name + ".bias", &norm.bias, {size}, K::bias});
}

nn::EncoderLayer make_layer(const EncoderSpec& spec, const EncoderLayerSpec& sizes) {
  nn::EncoderLayer layer;
  layer.num_heads = sizes.num_heads;
  layer.head_dim = spec.head_dim;
  layer.activation = spec.activation;
  layer.attention_norm.eps = layer.mlp_norm.eps = spec.layer_norm_eps;
  for (const auto& [name, rank] : sizes.ranks) linear_of(layer, name).factors = {rank, {}, {}};
  return layer;
}

// Releases before 2019 called scale and shift of a norm gamma and beta.
std::string modern_name(const std::string& name) {
  for (const auto& [old, now] :
       {std::pair("LayerNorm.gamma", "LayerNorm.weight"), std::pair("LayerNorm.beta", "LayerNorm.bias")})
    if (name.ends_with(old)) return name.substr(0, name.size() - std::string_view(old).size()) + now;
  return name;
}

// Rows of the position table, (B,T). Padding has the first.
at::Tensor positions_of(const EncoderSpec& spec, const at::Tensor& segments_BT) {
  const auto places_BT = kernels::packed_positions(segments_BT).masked_fill_(segments_BT.lt(0), 0);
  const int64_t longest = places_BT.max().item<int64_t>() + 1,
                room = spec.max_positions - spec.first_position;
  if (longest > room)
    throw Error("ERR_DATA", str("Expected texts of at most ", room, " tokens, received one of ", longest),
                "The model has a learnt position for each token: cut the text, or make the rows shorter.",
                {{"tokens", str(longest)}, {"limit", str(room)}});
  return places_BT.add_(spec.first_position);
}

}  // namespace

TextEncoder::TextEncoder(EncoderSpec spec) : spec_(std::move(spec)), own_bias_(!spec_.tied_head) {
  embedding_norm_.eps = masked_.norm.eps = spec_.layer_norm_eps;
  for (const auto& layer : spec_.layers) layers_.push_back(make_layer(spec_, layer));
  const int64_t d = spec_.hidden_size, v = spec_.vocab_size;
  const bool unused_pooler = spec_.head == EncoderHead::none || spec_.next_sentence;
  if (unused_pooler) {
    keep(prefix() + kPooler + ".weight", {d, d});
    keep(prefix() + kPooler + ".bias", {d});
  }
  if (spec_.head == EncoderHead::masked_lm && own_bias_) keep(names_of(spec_).masked_bias, {v});
  if (spec_.next_sentence) {
    keep("cls.seq_relationship.weight", {2, d});
    keep("cls.seq_relationship.bias", {2});
  }
}

void TextEncoder::keep(const std::string& name, std::vector<int64_t> shape) {
  kept_.push_back({name, std::move(shape), {}});
}

std::string TextEncoder::prefix() const { return spec_.bare ? "" : names_of(spec_).base; }

std::string TextEncoder::layer_prefix(size_t i) const {
  return prefix() + "encoder.layer." + std::to_string(i) + ".";
}

std::vector<Parameter> TextEncoder::parameters() {
  std::vector<Parameter> all;
  append_embeddings(all);
  for (size_t i = 0; i < layers_.size(); i++) append_layer(all, i);
  append_head(all);
  for (auto& [name, shape, tensor] : kept_) all.push_back({name, &tensor, shape, K::kept});
  return all;
}

void TextEncoder::append_embeddings(std::vector<Parameter>& all) {
  const int64_t d = spec_.hidden_size;
  all.push_back({prefix() + kWords, &words_, {spec_.vocab_size, d}, K::embedding});
  all.push_back({prefix() + "embeddings.position_embeddings.weight",
                 &positions_,
                 {spec_.max_positions, d},
                 K::position});
  all.push_back({prefix() + "embeddings.token_type_embeddings.weight",
                 &types_,
                 {spec_.type_vocab_size, d},
                 K::position});
  append_norm(all, prefix() + "embeddings.LayerNorm", embedding_norm_, d);
}

void TextEncoder::append_layer(std::vector<Parameter>& all, size_t i) {
  auto& layer = layers_[i];
  const int64_t d = spec_.hidden_size, n = layer.num_heads * layer.head_dim,
                f = spec_.layers[i].intermediate_size;
  const auto linear = [&](const char* name, nn::Linear& l, int64_t out, int64_t in, K kind) {
    append_linear(all, layer_prefix(i) + name, l, out, in, /*bias=*/true, kind);
  };
  linear(kQ, layer.q, n, d, K::matrix);
  linear(kK, layer.k, n, d, K::matrix);
  linear(kV, layer.v, n, d, K::matrix);
  linear(kO, layer.o, d, n, K::attention_output);
  append_norm(all, layer_prefix(i) + kAttentionNorm, layer.attention_norm, d);
  linear(kWiden, layer.widen, f, d, K::matrix);
  linear(kNarrow, layer.narrow, d, f, K::mlp_output);
  append_norm(all, layer_prefix(i) + kMlpNorm, layer.mlp_norm, d);
}

void TextEncoder::append_head(std::vector<Parameter>& all) {
  const auto& names = names_of(spec_);
  const int64_t d = spec_.hidden_size, v = spec_.vocab_size;
  const auto linear = [&](const std::string& name, nn::Linear& l, int64_t out) {
    append_linear(all, name, l, out, d, /*bias=*/true, K::matrix);
  };
  if (spec_.head == EncoderHead::masked_lm) {
    const std::string decoder = names.decoder;
    linear(names.masked_dense, masked_.dense, d);
    append_norm(all, names.masked_norm, masked_.norm, d);
    if (!spec_.tied_head) all.push_back({decoder + ".weight", &masked_.decoder, {v, d}, K::head});
    all.push_back({own_bias_ ? decoder + ".bias" : names.masked_bias, &masked_.bias, {v}, K::bias});
  } else if (spec_.head == EncoderHead::classification) {
    const bool pools = spec_.names == EncoderNames::bert;
    linear(pools ? prefix() + kPooler : "classifier.dense", classification_.dense, d);
    linear(names.classifier, classification_.out, spec_.num_labels);
  }
}

std::vector<TiedCopy> TextEncoder::tied_copies() const {
  if (spec_.head != EncoderHead::masked_lm || !spec_.tied_head) return {};
  const std::string decoder = names_of(spec_).decoder;
  return {{decoder + ".weight", prefix() + kWords}, {decoder + ".bias", names_of(spec_).masked_bias}};
}

// Old releases stored the numbers 0 1 2 ... and 0 0 0 ...
bool TextEncoder::is_derived(const std::string& name) const {
  return name == prefix() + "embeddings.position_ids" || name == prefix() + "embeddings.token_type_ids";
}

bool TextEncoder::is_of_another_head(const std::string& name) const {
  const auto is_in = [&](const std::string& module) { return name.starts_with(module + "."); };
  if (is_in(prefix() + "pooler") || is_in("cls.seq_relationship")) return true;
  const bool of_masked = is_in("cls") || is_in("lm_head");
  return (of_masked && spec_.head != EncoderHead::masked_lm) ||
         (is_in("classifier") && spec_.head != EncoderHead::classification);
}

std::string TextEncoder::name_of(const std::string& name_in_file) const {
  const std::string name = modern_name(name_in_file), base = names_of(spec_).base;
  if (name.starts_with(base)) return prefix() + name.substr(base.size());
  const bool of_base =
      name.starts_with("embeddings.") || name.starts_with("encoder.") || name.starts_with("pooler.");
  return of_base ? prefix() + name : name;
}

// A base model is also saved without a pooler, and old releases wrote one bias where newer ones have two.
void TextEncoder::fit_to(const std::set<std::string>& names) {
  const std::string decoder_bias = std::string(names_of(spec_).decoder) + ".bias",
                    bias = names_of(spec_).masked_bias;
  if (own_bias_ && names.contains(bias) && !names.contains(decoder_bias)) own_bias_ = false;
  std::erase_if(kept_, [&](const Kept& kept) {
    const bool is_optional = spec_.head == EncoderHead::none && !names.contains(kept.name);
    return is_optional || (kept.name == bias && !own_bias_);
  });
}

std::vector<Block> TextEncoder::blocks() {
  std::vector<Block> all;
  for (size_t i = 0; i < layers_.size(); i++) {
    auto& l = layers_[i];
    const std::string layer = layer_prefix(i);
    Block block;
    block.prefix = layer;
    block.q = {layer + kQ, &l.q};
    block.k = {layer + kK, &l.k};
    block.v = {layer + kV, &l.v};
    block.o = {layer + kO, &l.o};
    block.widen = {{layer + kWiden, &l.widen}};
    block.narrow = {layer + kNarrow, &l.narrow};
    block.head_dim = l.head_dim;
    block.sizes = spec_.layers[i];
    all.push_back(std::move(block));
  }
  return all;
}

void TextEncoder::resize_block(size_t i, const LayerSizes& sizes) {
  TORCH_CHECK(sizes.num_kv_heads == sizes.num_heads, "an encoder has as many kv heads as heads");
  static_cast<LayerSizes&>(spec_.layers.at(i)) = sizes;
  layers_[i].num_heads = sizes.num_heads;
}

void TextEncoder::keep_blocks(const std::vector<size_t>& kept) {
  std::vector<EncoderLayerSpec> specs;
  std::vector<nn::EncoderLayer> layers;
  for (const size_t i : kept) {
    specs.push_back(spec_.layers.at(i));
    layers.push_back(layers_.at(i));
  }
  spec_.layers = std::move(specs);
  layers_ = std::move(layers);
}

at::Tensor TextEncoder::embed(const Rows& rows) const {
  const auto ids_BT = kernels::to_device(rows.ids_BT, device());
  const auto positions_BT = kernels::to_device(positions_of(spec_, rows.segments_BT), device());
  const auto x_BTD =
      kernels::embedding(words_, ids_BT) + types_[0] + kernels::embedding(positions_, positions_BT);
  return embedding_norm_(x_BTD);
}

at::Tensor TextEncoder::run_block(size_t i, const at::Tensor& x_BTD, const Rows& rows, const Job* job) const {
  if (job) job->check();
  return layers_[i](x_BTD, nn::whole_documents(rows.segments_BT, dtype(), device(), job));
}

at::Tensor TextEncoder::hidden_packed(const Rows& rows, const Job* job) const {
  return hidden_states(rows, {}, job).last_BTD;
}

HiddenStates TextEncoder::hidden_states(const Rows& rows, const std::vector<size_t>& behind,
                                        const Job* job) const {
  const auto visibility =
      std::make_shared<const nn::Visibility>(nn::whole_documents(rows.segments_BT, dtype(), device(), job));
  HiddenStates states = {embed(rows), std::vector<at::Tensor>(behind.size())};
  auto& x_BTD = states.last_BTD;
  // What comes back from the blocks above is one sum before what is kept adds to it, recomputed or not.
  const auto keep = [&](size_t passed) {
    if (states.keep(behind, passed, x_BTD)) x_BTD = x_BTD.view_as(x_BTD);
  };
  keep(0);
  for (size_t i = 0; i < layers_.size(); i++) {
    if (job) job->check();
    x_BTD = recompute_blocks_ ? recomputed_block(i, x_BTD, visibility) : layers_[i](x_BTD, *visibility);
    keep(i + 1);
  }
  return states;
}

// The second time, too, adapters drop by the key of the forward pass, whatever it is by then.
at::Tensor TextEncoder::recomputed_block(size_t i, const at::Tensor& x_BTD,
                                         const std::shared_ptr<const nn::Visibility>& visibility) const {
  const auto dropout = adapter_dropout();
  const auto block = [this, i, visibility, dropout,
                      key = dropout->key](const std::vector<at::Tensor>& inputs) {
    const nn::DropoutScope scope(*dropout, key);
    return std::vector<at::Tensor>{layers_[i](inputs[0], *visibility)};
  };
  return nn::recomputed(block, {x_BTD}, layers_[i].tensors())[0];
}

at::Tensor TextEncoder::prediction(const at::Tensor& hidden_MD) const {
  return masked_.norm(nn::activated(masked_.dense(hidden_MD), spec_.head_activation));
}

at::Tensor TextEncoder::token_logits(const at::Tensor& hidden_MD) const {
  return kernels::linear(prediction(hidden_MD), decoder(), decoder_bias());
}

at::Tensor TextEncoder::label_logits(const at::Tensor& first_MD) const {
  return classification_.out(at::tanh(classification_.dense(first_MD)));
}

const TextEncoder& as_encoder(const Model& model) {
  if (const auto* encoder = dynamic_cast<const TextEncoder*>(&model)) return *encoder;
  throw Error("ERR_MODEL_CONFIG", "Expected a text encoder, received a model of another kind",
              "Use a BERT or RoBERTa model.");
}

const TextEncoder& as_masked_lm(const Model& model) {
  const auto& encoder = as_encoder(model);
  if (encoder.spec().head == EncoderHead::masked_lm) return encoder;
  throw Error("ERR_MODEL_CONFIG", "Expected an encoder with a masked-LM head, received one without",
              "Its config.json should name BertForMaskedLM or RobertaForMaskedLM under architectures.");
}

const TextEncoder& as_classifier(const Model& model) {
  const auto& encoder = as_encoder(model);
  if (encoder.spec().head == EncoderHead::classification) return encoder;
  throw Error("ERR_MODEL_CONFIG", "Expected an encoder with a classification head, received one without",
              "Its config.json should name BertForSequenceClassification or "
              "RobertaForSequenceClassification under architectures.");
}

}  // namespace tongueforge::models
