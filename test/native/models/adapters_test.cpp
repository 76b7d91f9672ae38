// Adapters on a decoder: what they leave alone, what they start as, and the way through a file.
#include "models/adapters.h"

#include <cmath>
#include <filesystem>
#include <functional>

#include "core/error.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "models/tiny_decoder.h"
#include "models/weights.h"

using namespace tongueforge;

namespace {

const std::vector<models::AdapterSpec> kSpecs = {{"model.layers.0.self_attn.q_proj", 4, 2.0},
                                                 {"model.layers.1.mlp.down_proj", 2, 0.5}};

at::Tensor logits_of(const models::Decoder& model) {
  const at::NoGradGuard no_grad;
  return model.logits(model.hidden(at::arange(10).view({1, 10})));
}

struct TemporaryFile {
  std::string path = (std::filesystem::temp_directory_path() /
                      ("tongueforge-adapter-" + std::to_string(std::rand()) + ".safetensors"))
                         .string();
  ~TemporaryFile() { std::filesystem::remove(path); }
};

std::string code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) { return error.code(); }
  return "";
}

}  // namespace

TEST_CASE("fresh adapters leave every logit as it was, bit for bit") {
  auto model = test::tiny_decoder();
  const auto before = logits_of(*model);
  models::attach_adapters(*model, kSpecs, 0.5, 1);
  CHECK(logits_of(*model).equal(before));
}

TEST_CASE("A is drawn within 1 / sqrt(inputs), the same for the same seed; B is zero; names are PEFT's") {
  auto model = test::tiny_decoder(), same = test::tiny_decoder(), other = test::tiny_decoder();
  models::attach_adapters(*model, kSpecs, 0, 1);
  models::attach_adapters(*same, kSpecs, 0, 1);
  models::attach_adapters(*other, kSpecs, 0, 2);
  const auto parameters = models::adapter_parameters(*model);
  REQUIRE(parameters.size() == 4);
  CHECK(parameters[0].name == "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
  CHECK(parameters[3].name == "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight");
  CHECK(parameters[0].tensor->sizes() == at::IntArrayRef({4, 24}));
  CHECK(parameters[3].tensor->sizes() == at::IntArrayRef({24, 2}));
  const double bound = 1 / std::sqrt(24.0), largest = parameters[0].tensor->abs().max().item<double>();
  CHECK(largest <= bound);
  CHECK(largest > 0.9 * bound);
  CHECK(parameters[1].tensor->eq(0).all().item<bool>());
  CHECK(parameters[0].tensor->equal(*models::adapter_parameters(*same)[0].tensor));
  CHECK_FALSE(parameters[0].tensor->equal(*models::adapter_parameters(*other)[0].tensor));
}

TEST_CASE("adapters and tensors trained as a whole go through a file") {
  auto model = test::tiny_decoder(), loaded = test::tiny_decoder();
  models::attach_adapters(*model, kSpecs, 0, 1);
  models::attach_adapters(*loaded, kSpecs, 0, 2);
  for (const auto& parameter : models::adapter_parameters(*model)) parameter.tensor->normal_(0, 0.3);
  model->parameters().back().tensor->mul_(2);  // the head
  SilentJob job;
  const TemporaryFile file;
  models::save_adapters(*model, {"lm_head.weight"}, file.path, job);
  models::load_adapters(*loaded, file.path, job);
  CHECK(logits_of(*loaded).equal(logits_of(*model)));
}

TEST_CASE("adapters that do not fit are refused by name") {
  auto model = test::tiny_decoder(), narrow = test::tiny_decoder(), fewer = test::tiny_decoder();
  models::attach_adapters(*model, kSpecs, 0, 1);
  models::attach_adapters(*narrow, {{kSpecs[0].module, 3, 1.0}, kSpecs[1]}, 0, 1);
  models::attach_adapters(*fewer, {kSpecs[0]}, 0, 1);
  SilentJob job;
  const TemporaryFile whole, part;
  models::save_adapters(*model, {}, whole.path, job);
  models::save_adapters(*fewer, {}, part.path, job);
  CHECK(code_of([&] { models::load_adapters(*narrow, whole.path, job); }) == "ERR_SHAPE_MISMATCH");
  CHECK(code_of([&] { models::load_adapters(*fewer, whole.path, job); }) == "ERR_UNEXPECTED_TENSOR");
  CHECK(code_of([&] { models::load_adapters(*model, part.path, job); }) == "ERR_MISSING_TENSOR");
  CHECK(code_of([&] { models::attach_adapters(*model, {{"lm_head", 2, 1}}, 0, 1); }) ==
        "ERR_UNEXPECTED_TENSOR");
}
