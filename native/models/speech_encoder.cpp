#include "models/speech_encoder.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/transfer.h"

namespace tongueforge::models {
namespace {

using K = ParameterKind;

// ---- names on disk ----

/// What differs between the families; after the name of the base model.
struct Names {
  const char* base;
  const char *projection, *position;
  EncoderLayerNames layer;
};

constexpr EncoderLayerNames kFairseqLayer = {
    .q = "self_attn.q_proj",
    .k = "self_attn.k_proj",
    .v = "self_attn.v_proj",
    .o = "self_attn.out_proj",
    .attention_norm = "self_attn_layer_norm",
    .widen = "fc1",
    .narrow = "fc2",
    .mlp_norm = "final_layer_norm",
};
constexpr EncoderLayerNames kTransformersLayer = {
    .q = "attention.q_proj",
    .k = "attention.k_proj",
    .v = "attention.v_proj",
    .o = "attention.out_proj",
    .attention_norm = "layer_norm",
    .widen = "feed_forward.intermediate_dense",
    .narrow = "feed_forward.output_dense",
    .mlp_norm = "final_layer_norm",
};
constexpr Names kNames[] = {
    {"", "pre_extract_proj", "encoder.pos_conv.0", kFairseqLayer},
    {"hubert.", "feature_projection.projection", "encoder.pos_conv_embed.conv", kTransformersLayer},
    {"wav2vec2.", "feature_projection.projection", "encoder.pos_conv_embed.conv", kTransformersLayer},
};
constexpr const char *kConvolutions = "feature_extractor.conv_layers.",
                     *kProjectionNorm = "feature_projection.layer_norm", *kMasked = "masked_spec_embed",
                     *kNorm = "encoder.layer_norm", *kLayers = "encoder.layers.", *kClusters = "final_proj";
// Modules of the base model, and those of the heads that its classes have.
constexpr const char* kBaseModules[] = {"feature_extractor.", "feature_projection.", "masked_spec_embed",
                                        "encoder."};
constexpr const char* kHeads[] = {"lm_head.",      "projector.",  "classifier.",
                                  "layer_weights", "quantizer.",  "project_hid.",
                                  "project_q.",    "final_proj.", "label_embs_concat"};
// Of the weight norm, lengths and directions: torch has renamed them in release 2.0.
constexpr const char *kLengths = ".weight_g", *kDirections = ".weight_v",
                     *kNewLengths = ".parametrizations.weight.original0",
                     *kNewDirections = ".parametrizations.weight.original1";

const Names& names_of(const SpeechSpec& spec) { return kNames[static_cast<size_t>(spec.names)]; }

std::string prefix_of(const SpeechSpec& spec) { return spec.bare ? "" : names_of(spec).base; }

template <size_t N>
bool starts_with_one_of(const std::string& name, const char* const (&modules)[N]) {
  return std::any_of(std::begin(modules), std::end(modules),
                     [&](const char* module) { return name.starts_with(module); });
}

EncoderStackSpec stack_spec(const SpeechSpec& spec,
                            const std::shared_ptr<const nn::TrainingDropout>& dropout) {
  return {.names = names_of(spec).layer,
          .prefix = prefix_of(spec) + kLayers,
          .hidden_size = spec.hidden_size,
          .head_dim = spec.head_dim,
          .layer_norm_eps = spec.layer_norm_eps,
          .activation = spec.activation,
          .norm_first = spec.norm_first,
          .dropout = dropout};
}

nn::SampleConvolutions make_convolutions(const SpeechSpec& spec) {
  nn::SampleConvolutions made;
  made.activation = spec.convolution_activation;
  for (const auto& [channels, kernel, stride, bias, norm] : spec.convolutions) {
    auto& layer = made.layers.emplace_back();
    layer.kernel = kernel, layer.stride = stride, layer.normed = norm;
    layer.norm.eps = 1e-5;  // of torch; config.json has none for them
  }
  return made;
}

// ---- rows of sound ----

[[noreturn]] void refuse_sound(size_t row, const std::string& expected, const std::string& received) {
  throw Error("ERR_DATA", str("Expected ", expected, " in row ", row, ", received ", received),
              "preprocessor_config.json beside the model says what it hears.", {{"row", str(row)}});
}

void check_sounds(const SpeechEncoder& model, const Rows& rows) {
  const int64_t width = model.spec().frame_width;
  const auto places_B = rows.segments_BT.ge(0).sum(1);
  TORCH_CHECK(static_cast<int64_t>(rows.sounds.size()) == rows.segments_BT.size(0), "a sound for each row");
  for (size_t row = 0; row < rows.sounds.size(); row++) {
    const auto& sound = rows.sounds[row];
    const bool is_frames = sound.dim() == 2;
    if (is_frames != (width > 0))
      refuse_sound(row, width > 0 ? "frames" : "samples", is_frames ? "frames" : "samples");
    if (is_frames && sound.size(1) != width)
      refuse_sound(row, str("frames of ", width, " numbers"), str(sound.size(1)));
    const int64_t wanted = places_B[static_cast<int64_t>(row)].item<int64_t>(),
                  there = model.places(sound.size(0));
    if (there == 0) refuse_sound(row, "sound of at least one place", str(sound.size(0), " of its values"));
    if (there != wanted) refuse_sound(row, str(wanted, " places"), str("sound of ", there));
  }
}

// Places that are sound, as numbers of the rows laid end to end.
at::Tensor sound_places(const Rows& rows) { return rows.segments_BT.ge(0).flatten().nonzero().squeeze(1); }

}  // namespace

SpeechEncoder::SpeechEncoder(SpeechSpec spec)
    : spec_(std::move(spec)),
      convolutions_(make_convolutions(spec_)),
      stack_(stack_spec(spec_, dropout()), std::exchange(spec_.layers, {})),
      has_masked_(spec_.masked_embedding) {
  projection_norm_.eps = norm_.eps = spec_.layer_norm_eps;
  position_.groups = spec_.position_groups;
  position_.activation = spec_.convolution_activation;
}

std::string SpeechEncoder::prefix() const { return prefix_of(spec_); }

std::vector<Parameter> SpeechEncoder::parameters() {
  std::vector<Parameter> all;
  append_front(all);
  append_position(all);
  if (!spec_.norm_first) append_norm(all, prefix() + kNorm, norm_, spec_.hidden_size);
  stack_.append_parameters(all);
  if (spec_.norm_first) append_norm(all, prefix() + kNorm, norm_, spec_.hidden_size);
  if (spec_.num_clusters > 0)
    append_linear(all, kClusters, clusters_, spec_.num_clusters, spec_.hidden_size, /*bias=*/true, K::head);
  return all;
}

void SpeechEncoder::append_front(std::vector<Parameter>& all) {
  int64_t width = spec_.convolutions.empty() ? spec_.frame_width : 1;
  for (size_t i = 0; i < spec_.convolutions.size(); i++) {
    auto& layer = convolutions_.layers[i];
    const auto& sizes = spec_.convolutions[i];
    const std::string name = prefix() + kConvolutions + std::to_string(i);
    all.push_back(
        {name + ".conv.weight", &layer.weight, {sizes.channels, width, sizes.kernel}, K::convolution});
    if (sizes.bias) all.push_back({name + ".conv.bias", &layer.bias, {sizes.channels}, K::bias});
    if (sizes.norm != nn::SampleNorm::none)
      append_norm(all, name + ".layer_norm", layer.norm, sizes.channels);
    width = sizes.channels;
  }
  if (spec_.projection_norm) append_norm(all, prefix() + kProjectionNorm, projection_norm_, width);
  append_linear(all, prefix() + names_of(spec_).projection, projection_, spec_.hidden_size, width,
                /*bias=*/true, K::matrix);
  if (has_masked_) all.push_back({prefix() + kMasked, &masked_, {spec_.hidden_size}, K::position});
}

void SpeechEncoder::append_position(std::vector<Parameter>& all) {
  const int64_t d = spec_.hidden_size, k = spec_.position_kernel;
  const std::string name = prefix() + names_of(spec_).position;
  const std::vector<int64_t> shape = {d, d / spec_.position_groups, k};
  all.push_back({name + ".bias", &position_.bias, {d}, K::bias});
  if (!spec_.position_weight_norm) {
    all.push_back({name + ".weight", &position_.weight, shape, K::positional});
    return;
  }
  all.push_back({name + (is_parametrized_ ? kNewLengths : kLengths), &position_.lengths, {1, 1, k}, K::norm});
  all.push_back(
      {name + (is_parametrized_ ? kNewDirections : kDirections), &position_.weight, shape, K::positional});
}

bool SpeechEncoder::is_of_another_head(const std::string& name) const {
  return spec_.names != SpeechNames::melhubert && starts_with_one_of(name, kHeads);
}

std::string SpeechEncoder::name_of(const std::string& name_in_file) const {
  const std::string base = names_of(spec_).base;
  const std::string name = name_in_file.starts_with(base) ? name_in_file.substr(base.size()) : name_in_file;
  return starts_with_one_of(name, kBaseModules) ? prefix() + name : name_in_file;
}

// The vector of places that are not heard is saved where training hides some.
void SpeechEncoder::fit_to(const std::set<std::string>& names) {
  has_masked_ = names.contains(prefix() + kMasked);
  is_parametrized_ = names.contains(prefix() + names_of(spec_).position + kNewLengths);
}

// The lengths of directions that have just been drawn: the convolution begins as it was drawn.
void SpeechEncoder::complete_drawn() {
  if (spec_.position_weight_norm) position_.lengths = at::norm_except_dim(position_.weight, 2, /*dim=*/2);
}

int64_t SpeechEncoder::places(int64_t length) const {
  return spec_.frame_width > 0 ? length : convolutions_.frames(length);
}

at::Tensor SpeechEncoder::embedded(const Rows& rows, const Job* job) const {
  check_sounds(*this, rows);
  const int64_t batch = rows.segments_BT.size(0), time = rows.segments_BT.size(1);
  const auto places_M = sound_places(rows);
  auto x_MD = projected(rows, places_M, job);
  // Behind the end of a row there is nothing: zeros, whatever the projection's bias is.
  if (places_M.numel() < batch * time)
    x_MD = at::zeros({batch * time, spec_.hidden_size}, x_MD.options())
               .index_copy(0, kernels::to_device(places_M, device()), x_MD);
  const auto x_BTD = x_MD.view({batch, time, spec_.hidden_size});
  const auto placed_BTD = x_BTD + position_(x_BTD);
  return spec_.norm_first ? placed_BTD : norm_(placed_BTD);
}

// (M,D); places that are foretold are not heard.
at::Tensor SpeechEncoder::projected(const Rows& rows, const at::Tensor& places_M, const Job* job) const {
  at::Tensor hidden_M;
  if (rows.hidden_BT.defined()) hidden_M = rows.hidden_BT.flatten().index_select(0, places_M);
  auto x_MC = heard(rows, spec_.frame_width > 0 ? hidden_M : at::Tensor(), job);
  if (spec_.projection_norm) x_MC = projection_norm_(x_MC);
  const auto x_MD = projection_(x_MC);
  if (spec_.frame_width > 0 || !hidden_M.defined()) return x_MD;
  if (!has_masked_)
    throw Error(
        "ERR_MODEL_CONFIG",
        "Expected masked_spec_embed, which stands for places that are foretold, and the model has none",
        "Its config.json should have a mask_time_prob above 0, and its weights that tensor.");
  return at::where(kernels::to_device(hidden_M, device()).unsqueeze(1), masked_, x_MD);
}

// Frames of all rows one after the other, (M,C): those that are given, zero where hidden, or those that the
// convolutions make of samples, utterance by utterance.
at::Tensor SpeechEncoder::heard(const Rows& rows, const at::Tensor& maybe_hidden_M, const Job* job) const {
  if (spec_.frame_width > 0) {
    auto x_MC = at::cat(rows.sounds);
    if (maybe_hidden_M.defined()) x_MC = x_MC.masked_fill(maybe_hidden_M.unsqueeze(1), 0);
    return kernels::to_device(x_MC, device()).to(dtype());
  }
  std::vector<at::Tensor> all;
  for (const auto& samples_S : rows.sounds)
    all.push_back(convolutions_(kernels::to_device(samples_S, device()).to(dtype()), job));
  return at::cat(all);
}

at::Tensor SpeechEncoder::run_block(size_t i, const at::Tensor& x_BTD, const Rows& rows,
                                    const Job* job) const {
  if (job) job->check();
  return stack_.run_block(i, x_BTD, nn::whole_documents(rows.segments_BT, dtype(), device(), job));
}

at::Tensor SpeechEncoder::hidden_packed(const Rows& rows, const Job* job) const {
  return hidden_states(rows, {}, job).last_BTD;
}

HiddenStates SpeechEncoder::hidden_states(const Rows& rows, const std::vector<size_t>& behind,
                                          const Job* job) const {
  const auto visibility =
      std::make_shared<const nn::Visibility>(nn::whole_documents(rows.segments_BT, dtype(), device(), job));
  auto states =
      stack_.run(embedded(rows, job), behind, {visibility, job, recompute_blocks_ ? dropout() : nullptr});
  if (spec_.norm_first) states.last_BTD = norm_(states.last_BTD);
  return states;
}

const SpeechEncoder& as_speech(const Model& model) {
  if (const auto* speech = dynamic_cast<const SpeechEncoder*>(&model)) return *speech;
  throw Error("ERR_MODEL_CONFIG", "Expected a speech encoder, received a model of another kind",
              "Use a MelHuBERT, HuBERT or wav2vec 2.0 model.");
}

}  // namespace tongueforge::models
