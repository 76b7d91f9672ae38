#include "models/text_encoder.h"

#include <utility>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/embedding.h"
#include "kernels/linear.h"
#include "kernels/packed_documents.h"
#include "kernels/transfer.h"

namespace tongueforge::models {
namespace {

using K = ParameterKind;

// ---- names on disk ----

// Within a layer; the same in both families.
constexpr EncoderLayerNames kLayerNames = {
    .q = "attention.self.query",
    .k = "attention.self.key",
    .v = "attention.self.value",
    .o = "attention.output.dense",
    .attention_norm = "attention.output.LayerNorm",
    .widen = "intermediate.dense",
    .narrow = "output.dense",
    .mlp_norm = "output.LayerNorm",
};
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

std::string prefix_of(const EncoderSpec& spec) { return spec.bare ? "" : names_of(spec).base; }

EncoderStackSpec stack_spec(const EncoderSpec& spec,
                            const std::shared_ptr<const nn::TrainingDropout>& dropout) {
  return {.names = kLayerNames,
          .prefix = prefix_of(spec) + "encoder.layer.",
          .hidden_size = spec.hidden_size,
          .head_dim = spec.head_dim,
          .layer_norm_eps = spec.layer_norm_eps,
          .activation = spec.activation,
          .dropout = dropout};
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

TextEncoder::TextEncoder(EncoderSpec spec)
    : spec_(std::move(spec)),
      stack_(stack_spec(spec_, dropout()), std::exchange(spec_.layers, {})),
      own_bias_(!spec_.tied_head) {
  embedding_norm_.eps = masked_.norm.eps = spec_.layer_norm_eps;
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

std::string TextEncoder::prefix() const { return prefix_of(spec_); }

std::vector<Parameter> TextEncoder::parameters() {
  std::vector<Parameter> all;
  append_embeddings(all);
  stack_.append_parameters(all);
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

at::Tensor TextEncoder::embed(const Rows& rows) const {
  const auto ids_BT = kernels::to_device(rows.ids_BT, device());
  const auto positions_BT = kernels::to_device(positions_of(spec_, rows.segments_BT), device());
  const auto x_BTD =
      kernels::embedding(words_, ids_BT) + types_[0] + kernels::embedding(positions_, positions_BT);
  return embedding_norm_(x_BTD);
}

at::Tensor TextEncoder::run_block(size_t i, const at::Tensor& x_BTD, const Rows& rows, const Job* job) const {
  if (job) job->check();
  return stack_.run_block(i, x_BTD, nn::whole_documents(rows.segments_BT, dtype(), device(), job));
}

at::Tensor TextEncoder::hidden_packed(const Rows& rows, const Job* job) const {
  return hidden_states(rows, {}, job).last_BTD;
}

HiddenStates TextEncoder::hidden_states(const Rows& rows, const std::vector<size_t>& behind,
                                        const Job* job) const {
  const auto visibility =
      std::make_shared<const nn::Visibility>(nn::whole_documents(rows.segments_BT, dtype(), device(), job));
  return stack_.run(embed(rows), behind, {visibility, job, recompute_blocks_ ? dropout() : nullptr});
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
