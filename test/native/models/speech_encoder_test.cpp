#include "models/speech_encoder.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.h"
#include "kernels/aten.h"
#include "models/tiny_encoder.h"
#include "models/tiny_speech.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;

namespace {

using Specs = std::vector<models::SpeechSpec>;

models::SpeechSpec norm_first(models::SpeechSpec spec) {
  spec.norm_first = true;
  return spec;
}

Specs all_specs() {
  return {test::tiny_melhubert_spec(), test::tiny_hubert_spec(),
          norm_first(test::tiny_hubert_spec(nn::SampleNorm::frame))};
}

// Of three sounds; the numbers are frames, or samples.
std::vector<int64_t> lengths_of(const models::SpeechEncoder& model) {
  return model.spec().frame_width > 0 ? std::vector<int64_t>{11, 4, 9} : std::vector<int64_t>{230, 77, 190};
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

const at::Tensor& tensor_of(const models::Model& model, const std::string& name) {
  for (const auto& parameter : model.parameters())
    if (parameter.name == name) return *parameter.tensor;
  throw std::runtime_error(name);
}

std::vector<std::string> names_of(const models::Model& model) {
  std::vector<std::string> names;
  for (const auto& parameter : model.parameters()) names.push_back(parameter.name);
  return names;
}

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) { return str(error.code(), ": ", error.message()); }
  return "";
}

}  // namespace

TEST_CASE("an utterance in a batch has the hidden states that it has alone, heard or not") {
  const at::NoGradGuard no_grad;
  for (const auto& spec : all_specs()) {
    const auto model = test::tiny_speech(spec);
    auto rows = test::noise_rows(*model, lengths_of(*model), 1);
    for (const bool hides : {false, true}) {
      if (hides) rows.hidden_BT = at::arange(rows.places()).remainder(3).eq(1).view_as(rows.segments_BT);
      const auto all = model->hidden_states(rows, {0, 1, 2});
      for (int64_t row = 0; row < 3; row++) {
        const auto one = model->hidden_states(test::one_row(rows, row), {0, 1, 2});
        const auto same = [&](const at::Tensor& in_batch, const at::Tensor& alone) {
          return largest_difference(in_batch[row].narrow(0, 0, alone.size(1)), alone[0]) < 1e-5;
        };
        CHECK(same(all.last_BTD, one.last_BTD));
        for (size_t i = 0; i < 3; i++) CHECK(same(all.behind_BTD[i], one.behind_BTD[i]));
      }
    }
  }
}

TEST_CASE("what is hidden is not heard: other sound there changes nothing") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_speech(test::tiny_melhubert_spec());
  auto rows = test::noise_rows(*model, {11}, 2);
  rows.hidden_BT = at::arange(11).remainder(2).eq(0).unsqueeze(0);
  const auto before = model->hidden_packed(rows);
  auto other = rows;
  other.sounds = {rows.sounds[0].masked_fill(rows.hidden_BT[0].unsqueeze(1), 100)};
  CHECK(model->hidden_packed(other).equal(before));
  other.hidden_BT.reset();
  CHECK(largest_difference(model->hidden_packed(other), before) > 0.1);
}

TEST_CASE("of samples, the vector for hidden places stands for what the convolutions made there") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_speech(test::tiny_hubert_spec());
  auto rows = test::noise_rows(*model, {230}, 3);
  rows.hidden_BT = at::ones({1, rows.places()}, at::kBool);
  auto other = rows;
  other.sounds = {at::randn({230})};
  CHECK(model->hidden_packed(rows).equal(model->hidden_packed(other)));
  model->fit_to({});
  CHECK(message_of([&] { model->hidden_packed(rows); }).find("masked_spec_embed") != std::string::npos);
}

TEST_CASE("a speech encoder's blocks run one by one, and the norm behind them, are its whole forward pass") {
  const at::NoGradGuard no_grad;
  for (const auto& spec : all_specs()) {
    const auto model = test::tiny_speech(spec);
    const auto rows = test::noise_rows(*model, lengths_of(*model), 4);
    auto x_BTD = model->embed(rows);
    for (size_t i = 0; i < model->blocks().size(); i++) x_BTD = model->run_block(i, x_BTD, rows, nullptr);
    if (spec.norm_first)
      x_BTD = at::layer_norm(x_BTD, {24}, tensor_of(*model, "encoder.layer_norm.weight"),
                             tensor_of(*model, "encoder.layer_norm.bias"), 1e-5);
    CHECK(x_BTD.equal(model->hidden_packed(rows)));
  }
}

TEST_CASE("the convolution of places is read as directions and lengths, and learns through both") {
  const auto model = test::tiny_speech(test::tiny_melhubert_spec());
  auto& lengths = const_cast<at::Tensor&>(tensor_of(*model, "encoder.pos_conv.0.weight_g"));
  auto& directions = const_cast<at::Tensor&>(tensor_of(*model, "encoder.pos_conv.0.weight_v"));
  const auto rows = test::noise_rows(*model, {9}, 5);
  const auto before = model->hidden_packed(rows);
  directions.mul_(3);
  CHECK(largest_difference(model->hidden_packed(rows), before) < 1e-5);
  lengths.mul_(2);
  CHECK(largest_difference(model->hidden_packed(rows), before) > 1e-2);
  for (auto* tensor : {&lengths, &directions}) tensor->set_requires_grad(true);
  model->hidden_packed(rows).square().sum().backward();
  for (const auto* tensor : {&lengths, &directions}) CHECK(tensor->grad().abs().max().item<double>() > 0);
}

TEST_CASE("a drawn convolution of places begins as it was drawn, of the deviation that its papers name") {
  auto spec = test::tiny_melhubert_spec();
  spec.hidden_size = 96;
  spec.head_dim = 32;
  spec.position_kernel = 32;
  models::SpeechEncoder model(spec);
  models::initialise(model, {});
  const auto& g = tensor_of(model, "encoder.pos_conv.0.weight_g");
  const auto& v = tensor_of(model, "encoder.pos_conv.0.weight_v");
  CHECK(largest_difference(at::_weight_norm(v, g, 2), v) < 1e-6);
  CHECK(v.std().item<double>() == doctest::Approx(std::sqrt(4.0 / (32 * 96))).epsilon(0.02));
  CHECK(tensor_of(model, "pre_extract_proj.weight").std().item<double>() ==
        doctest::Approx(0.02).epsilon(0.1));
}

TEST_CASE("blocks of a speech encoder computed again for the gradient give the same bytes") {
  for (const auto& spec : all_specs()) {
    std::vector<at::Tensor> gradients;
    for (const bool recompute : {false, true}) {
      const auto model = test::tiny_speech(spec);
      model->recompute_blocks(recompute);
      auto weight = model->blocks()[0].q.linear->weight.set_requires_grad(true);
      const auto states = model->hidden_states(test::noise_rows(*model, lengths_of(*model), 6), {1});
      (states.last_BTD.square().sum() + states.behind_BTD[0].sin().sum()).backward();
      gradients.push_back(weight.grad());
    }
    CHECK(gradients[0].equal(gradients[1]));
  }
}

TEST_CASE("heads and rows of a speech encoder that are gone are as those that were zero") {
  const at::NoGradGuard no_grad;
  for (const auto& spec : all_specs()) {
    const auto masked = test::tiny_speech(spec), cut = test::tiny_speech(spec);
    for (const auto& model : {masked, cut}) {
      auto block = model->blocks()[1];
      block.o.linear->weight.slice(1, 8, 16).zero_();
      block.narrow.linear->weight.slice(1, 30, 40).zero_();
    }
    auto block = cut->blocks()[1];
    const auto kept = at::cat({at::arange(8), at::arange(16, 24)});
    for (auto* linear : {block.q.linear, block.k.linear, block.v.linear}) {
      linear->weight = linear->weight.index_select(0, kept);
      linear->bias = linear->bias.index_select(0, kept);
    }
    block.o.linear->weight = block.o.linear->weight.index_select(1, kept);
    block.widen[0].linear->weight = block.widen[0].linear->weight.narrow(0, 0, 30).clone();
    block.widen[0].linear->bias = block.widen[0].linear->bias.narrow(0, 0, 30).clone();
    block.narrow.linear->weight = block.narrow.linear->weight.narrow(1, 0, 30).clone();
    cut->resize_block(1, {2, 2, 30});
    const auto rows = test::noise_rows(*cut, lengths_of(*cut), 7);
    const auto sound = rows.segments_BT.ge(0).unsqueeze(-1);
    CHECK(largest_difference(cut->hidden_packed(rows) * sound, masked->hidden_packed(rows) * sound) < 1e-5);
    for (const auto& parameter : cut->parameters())
      CHECK(parameter.tensor->sizes() == at::IntArrayRef(parameter.shape));
  }
}

TEST_CASE("tensors have the names of each family, with the name of the base model or without, old and new") {
  const models::SpeechEncoder mel(test::tiny_melhubert_spec());
  const std::vector<std::string> first = {
      "pre_extract_proj.weight",     "pre_extract_proj.bias",
      "encoder.pos_conv.0.bias",     "encoder.pos_conv.0.weight_g",
      "encoder.pos_conv.0.weight_v", "encoder.layer_norm.weight",
      "encoder.layer_norm.bias",     "encoder.layers.0.self_attn.q_proj.weight"};
  const auto names = names_of(mel);
  CHECK(std::equal(first.begin(), first.end(), names.begin()));
  CHECK(names.back() == "final_proj.bias");

  auto spec = test::tiny_hubert_spec();
  spec.bare = false;
  models::SpeechEncoder hubert(spec);
  CHECK(hubert.name_of("encoder.layer_norm.weight") == "hubert.encoder.layer_norm.weight");
  CHECK(hubert.name_of("hubert.masked_spec_embed") == "hubert.masked_spec_embed");
  CHECK(hubert.name_of("lm_head.weight") == "lm_head.weight");
  CHECK(hubert.is_of_another_head("lm_head.weight"));
  CHECK_FALSE(hubert.is_of_another_head("hubert.encoder.extra"));
  CHECK_FALSE(mel.is_of_another_head("lm_head.weight"));
  const std::string position = "hubert.encoder.pos_conv_embed.conv";
  hubert.fit_to({position + ".parametrizations.weight.original0"});
  const auto fitted = names_of(hubert);
  CHECK(std::count(fitted.begin(), fitted.end(), position + ".parametrizations.weight.original1") == 1);
  CHECK(std::count(fitted.begin(), fitted.end(), "hubert.masked_spec_embed") == 0);
  spec.bare = true;
  CHECK(models::SpeechEncoder(spec).name_of("hubert.encoder.layer_norm.bias") == "encoder.layer_norm.bias");
}

TEST_CASE("sound of another kind, width or length is refused, and its row named") {
  const auto model = test::tiny_speech(test::tiny_melhubert_spec());
  const auto refused = [&](at::Tensor sound) {
    auto rows = test::noise_rows(*model, {5, 5}, 8);
    rows.sounds[1] = std::move(sound);
    return message_of([&] { model->embed(rows); });
  };
  CHECK(refused(at::zeros({5})) == "ERR_DATA: Expected frames in row 1, received samples");
  CHECK(refused(at::zeros({5, 7})) == "ERR_DATA: Expected frames of 6 numbers in row 1, received 7");
  CHECK(refused(at::zeros({4, 6})) == "ERR_DATA: Expected 5 places in row 1, received sound of 4");
  const auto hubert = test::tiny_speech(test::tiny_hubert_spec());
  CHECK(message_of([&] { hubert->embed({{}, at::full({1, 1}, -1, at::kLong), {at::zeros({29})}}); }) ==
        "ERR_DATA: Expected sound of at least one place in row 0, received 29 of its values");
  CHECK(hubert->places(29) == 0);
  CHECK(hubert->places(30) == 1);
  CHECK(hubert->places(49) == 1);
  CHECK(hubert->places(50) == 2);
}

TEST_CASE("a factored layer of a speech encoder has two tensors, and an unknown one is refused") {
  auto spec = test::tiny_melhubert_spec();
  spec.layers[0].ranks = {{"fc2", 5}};
  const auto model = test::tiny_speech(spec);
  CHECK(tensor_of(*model, "encoder.layers.0.fc2.out.weight").sizes() == at::IntArrayRef({24, 5}));
  spec.layers[0].ranks = {{"output.dense", 5}};
  CHECK(message_of([&] { models::SpeechEncoder{spec}; }).find("received output.dense") != std::string::npos);
}

TEST_CASE("a MelHuBERT foretells clusters by its last layer, a HuBERT none") {
  const auto mel = test::tiny_speech(test::tiny_melhubert_spec());
  const auto& predictor = models::as_masked_predictor(*mel);
  CHECK(predictor.decoder().sizes() == at::IntArrayRef({5, 24}));
  CHECK(predictor.decoder_bias().sizes() == at::IntArrayRef({5}));
  const auto hidden = at::ones({2, 24});
  CHECK(predictor.prediction(hidden).equal(hidden));
  const models::SpeechEncoder hubert(test::tiny_hubert_spec());
  CHECK(models::maybe_masked_predictor(hubert) == nullptr);
}

TEST_CASE("who asks for a speech encoder is told where there is none") {
  const models::SpeechEncoder hubert(test::tiny_hubert_spec());
  CHECK(&models::as_speech(hubert) == &hubert);
  const models::TextEncoder text(test::tiny_encoder_spec());
  CHECK(message_of([&] { models::as_speech(text); }) ==
        "ERR_MODEL_CONFIG: Expected a speech encoder, received a model of another kind");
}
