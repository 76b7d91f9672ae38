// Folders of whole numbers that do not fit: said so when they are read, with the tensor that it is about.
#include "models/packed_weights.h"

#include "checkpoint/fixtures.h"
#include "compress/quantize.h"
#include "kernels/aten.h"
#include "models/tiny_decoder.h"
#include "models/weights.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;
using namespace tongueforge::testing;

namespace {

SilentJob job;
constexpr const char* kUp = "model.layers.0.mlp.up_proj.weight";

// A tiny decoder with one layer in whole numbers, as its folder holds it.
std::vector<models::NamedTensor> quantised_tensors() {
  const auto model = test::tiny_decoder();
  compress::QuantizeOptions options;
  options.bits = 8, options.group = 0;
  options.layers = {"layers.0.mlp.up_proj"};
  compress::quantize_weights(*model, options, {}, job);
  std::vector<models::NamedTensor> all;
  for (const auto& parameter : model->parameters())
    for (const auto& [spec, tensor] : models::stored_tensors(parameter, at::kFloat))
      all.emplace_back(spec.name, tensor);
  return all;
}

void write(const TempFolder& folder, const std::vector<models::NamedTensor>& tensors) {
  models::save_tensors(folder / "model.safetensors", tensors, job);
}

}  // namespace

TEST_CASE("whole numbers of another shape than the model's are refused") {
  const TempFolder folder;
  auto spec = test::tiny_spec();
  spec.layers[0].intermediate_size = 48;
  auto tensors = quantised_tensors();
  const auto wider = test::tiny_decoder(spec);
  // All else fits: only the numbers are those of 40 rows.
  for (const auto& parameter : wider->parameters())
    for (auto& [name, tensor] : tensors)
      if (name == parameter.name) tensor = *parameter.tensor;
  write(folder, tensors);
  const auto error = caught([&] { models::load_weights(*wider, folder.path(), at::kFloat, at::kCPU, job); });
  CHECK(error.code() == "ERR_SHAPE_MISMATCH");
  CHECK(error.message().find(kUp) != std::string::npos);
}

TEST_CASE("whole numbers without their scales or their shape are refused by whoever goes through a folder") {
  for (const std::string lacking : {"_scale", "_shape"}) {
    const TempFolder folder;
    auto tensors = quantised_tensors();
    std::erase_if(tensors, [&](const auto& named) { return named.first == kUp + lacking; });
    write(folder, tensors);
    const auto error = caught([&] { models::for_packed_weights(folder.path(), job, [](const auto&) {}); });
    CHECK(error.code() == "ERR_MISSING_TENSOR");
    CHECK(error.message().find(kUp + lacking) != std::string::npos);
  }
}
