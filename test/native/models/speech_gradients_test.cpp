// Gradients of all parameters of a speech encoder against those of torch: test/golden/speech.
#include <map>

#include "core/error.h"
#include "kernels/aten.h"
#include "models/device.h"
#include "models/tiny_speech.h"
#include "models/weights.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;

namespace {

const std::string kFolder = std::string(TONGUEFORGE_GOLDEN) + "/speech/";

std::map<std::string, at::Tensor> arrays_of(const std::string& path) {
  SilentJob job;
  const auto all = models::load_tensors(path, job);
  return {all.begin(), all.end()};
}

// As config.json of the folder says: BLOCKS and SAMPLES of test/parity/speech_cases.py.
models::SpeechSpec spec_of(int64_t width, int64_t heads) {
  models::SpeechSpec spec;
  spec.hidden_size = width;
  spec.head_dim = width / heads;
  spec.position_kernel = 8;
  spec.position_groups = 4;
  spec.layers = {{{heads, heads, 24}, {}}};
  return spec;
}

models::SpeechSpec melhubert_spec() {
  auto spec = spec_of(16, 2);
  spec.frame_width = 80;
  spec.num_clusters = 7;
  return spec;
}

models::SpeechSpec samples_spec(models::SpeechNames names, bool large) {
  auto spec = spec_of(24, 3);
  spec.names = names;
  spec.layer_norm_eps = 1e-3;
  spec.projection_norm = spec.masked_embedding = true;
  spec.norm_first = large;
  const auto first = large ? nn::SampleNorm::frame : nn::SampleNorm::channel;
  const auto later = large ? nn::SampleNorm::frame : nn::SampleNorm::none;
  spec.convolutions = {{16, 10, 5, large, first}, {16, 3, 2, large, later}, {16, 2, 2, large, later}};
  return spec;
}

void check_gradients(const std::string& name, const models::SpeechSpec& spec) {
  CAPTURE(name);
  models::SpeechEncoder model(spec);
  SilentJob job;
  models::load_weights(model, kFolder + name, std::nullopt, at::kCPU, job);
  for (const auto& parameter : model.parameters()) parameter.tensor->set_requires_grad(true);
  auto expected = arrays_of(kFolder + name + "/expected.safetensors");
  const auto gradients = arrays_of(kFolder + name + "/gradients.safetensors");
  const auto hidden_BT = expected.at("hidden.0").ne(0).unsqueeze(0);
  const auto last_BTD =
      model.hidden_packed({{}, at::zeros_like(hidden_BT, at::kLong), {expected.at("sound.0")}, hidden_BT});
  (last_BTD[0] * gradients.at("weight")).sum().backward();
  double largest = 0;
  for (const auto& [key, tensor] : gradients)
    if (key != "weight") largest = std::max(largest, tensor.abs().max().item<double>());
  size_t compared = 0;
  for (const auto& parameter : model.parameters()) {
    const auto found = gradients.find("grad." + parameter.name);
    if (found == gradients.end()) continue;
    CAPTURE(parameter.name);
    // A bias of keys has none but rounding: of the largest of all, then.
    const double size = std::max(found->second.abs().max().item<double>(), 1e-3 * largest);
    CHECK((parameter.tensor->grad() - found->second).abs().max().item<double>() < 1e-4 * size);
    compared++;
  }
  CHECK(compared + 1 == gradients.size());
}

}  // namespace

TEST_CASE("gradients of all parameters of a speech encoder are those of torch, places hidden") {
  check_gradients("hubert", samples_spec(models::SpeechNames::hubert, false));
  check_gradients("wav2vec2_large", samples_spec(models::SpeechNames::wav2vec2, true));
  check_gradients("melhubert_20ms", melhubert_spec());
}
