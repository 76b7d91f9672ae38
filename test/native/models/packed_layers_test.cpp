// A quantised model that multiplies its whole numbers: the same answers, less memory, the same files.
#include "models/packed_layers.h"

#include "compress/quantize.h"
#include "compress/quantize_matrix.h"
#include "core/error.h"
#include "kernels/aten.h"
#include "models/packed_weights.h"
#include "models/tiny_decoder.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;

namespace {

SilentJob job;

struct Case {
  int64_t bits;
  bool symmetric;
  int64_t group;
};

nn::Quantized quantised(const Case& c, int64_t outputs, int64_t inputs, uint64_t seed, bool bfloat16) {
  const auto generator = at::detail::createCPUGenerator(seed);
  const auto weight = at::randn({outputs, inputs}, generator, at::kFloat).add_(c.symmetric ? 0 : 0.5);
  return compress::round_to_nearest(weight, {{static_cast<int>(c.bits), c.symmetric, bfloat16}, c.group});
}

std::shared_ptr<models::Decoder> quantised_decoder(const Case& c, at::ScalarType dtype) {
  auto spec = test::tiny_spec();
  spec.hidden_size = 256;
  spec.head_dim = 64;
  for (auto& layer : spec.layers) layer.intermediate_size = 512;
  auto model = test::tiny_decoder(spec);
  for (const auto& parameter : model->parameters()) *parameter.tensor = parameter.tensor->to(dtype);
  compress::QuantizeOptions options;
  options.bits = static_cast<int>(c.bits), options.group = c.group, options.symmetric = c.symmetric;
  const auto blocks = model->blocks();
  for (size_t i = 0; i < blocks.size(); i++)
    for (const auto& [name, linear] : blocks[i].linears())
      options.layers.insert(str("layers.", i, ".", name.substr(blocks[i].prefix.size())));
  compress::quantize_weights(*model, options, {}, job);
  return model;
}

// What 8 bits of mantissa can do to the scale of each weight, and to what is added to it for a zero point.
at::Tensor rounding(const nn::Quantized& weight, const at::Tensor& x, const at::Tensor& dense_OI) {
  const int64_t group = weight.codes.inputs() / weight.scales_OG.size(1);
  auto most = dense_OI.abs();
  if (weight.maybe_zeros_OG.defined())
    most = most + 16 * weight.scales_OG.to(at::kDouble).repeat_interleave(group, 1);
  return at::linear(x.abs(), most) / 256;
}

at::Tensor ids(int64_t time) {
  return at::randint(0, 50, {1, time}, at::detail::createCPUGenerator(4), at::kLong);
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

/// Of the layers of a model, by name.
std::vector<std::pair<std::string, nn::Linear*>> layers_of(models::Model& model) {
  std::vector<std::pair<std::string, nn::Linear*>> all;
  for (const auto& block : model.blocks())
    for (const auto& [name, linear] : block.linears()) all.emplace_back(name, linear);
  return all;
}

}  // namespace

TEST_CASE("a packed product is that of the codes, but for what bfloat16 rounds") {
  const at::NoGradGuard no_grad;
  for (const Case& c : {Case{8, true, 0}, Case{4, true, 32}, Case{4, false, 32}, Case{4, true, 96},
                        Case{4, false, 128}, Case{4, true, 0}, Case{4, false, 0}})
    for (const bool bfloat16 : {true, false})
      for (const uint64_t seed : {11, 12}) {
        CAPTURE(c.bits);
        CAPTURE(c.symmetric);
        CAPTURE(c.group);
        CAPTURE(bfloat16);
        CAPTURE(seed);
        const auto weight = std::make_shared<const nn::Quantized>(quantised(c, 48, 384, seed, bfloat16));
        REQUIRE(nn::has_packed_product(*weight));
        const nn::QuantizedExecution packed(weight, {}, {true, true});
        const auto generator = at::detail::createCPUGenerator(seed + 5);
        const auto x = at::randn({2, 3, 384}, generator, at::kFloat).to(at::kBFloat16);
        const auto bias = at::randn({48}, generator, at::kFloat).to(at::kBFloat16);
        const auto exact_x = x.to(at::kDouble), exact_w = weight->dense().to(at::kDouble);
        const auto wanted = at::linear(exact_x, exact_w, bias.to(at::kDouble));
        const auto error = (packed(x, bias).to(at::kDouble) - wanted).abs();
        CHECK(error.le(rounding(*weight, exact_x, exact_w) + wanted.abs() / 256 + 1e-3).all().item<bool>());
        // On the whole it is no further away than the product with weights that are rounded to bfloat16.
        const auto dense = at::linear(x, weight->dense().to(at::kBFloat16), bias).to(at::kDouble);
        CHECK((packed(x, bias).to(at::kDouble) - wanted).norm().item<double>() <=
              2 * (dense - wanted).norm().item<double>());
      }
}

TEST_CASE("numbers for which ATen has no product are told") {
  const auto has = [](const Case& c, int64_t outputs, int64_t inputs) {
    return nn::has_packed_product(quantised(c, outputs, inputs, 3, true));
  };
  CHECK(has({8, true, 0}, 7, 64));
  CHECK_FALSE(has({8, true, 0}, 7, 40));    // ATen would leave out its last inputs
  CHECK_FALSE(has({8, false, 0}, 16, 64));  // zero points
  CHECK_FALSE(has({8, true, 32}, 16, 64));  // groups
  CHECK(has({4, false, 32}, 16, 64));
  CHECK_FALSE(has({4, true, 32}, 24, 64));
  CHECK_FALSE(has({4, true, 16}, 16, 64));
  CHECK_FALSE(has({4, true, 0}, 16, 40));
}

TEST_CASE("packed, a model answers the same, takes less memory, and is written as the same bytes") {
  const at::NoGradGuard no_grad;
  for (const Case& c : {Case{8, true, 0}, Case{4, false, 64}}) {
    CAPTURE(c.bits);
    const auto model = quantised_decoder(c, at::kBFloat16);
    const auto one = model->hidden(ids(1)), more = model->hidden(ids(40));
    const int64_t before = model->bytes();
    const auto write = [&] {
      std::vector<at::Tensor> all;
      for (const auto& parameter : model->parameters())
        for (const auto& [spec, tensor] : models::stored_tensors(parameter, at::kBFloat16))
          all.push_back(tensor.clone());
      return all;
    };
    const auto written = write();
    const auto layers = models::use_packed_layers(*model, /*keep_weights=*/false, 40, job);
    CHECK(layers.size() == 14);
    int64_t weights = 0;
    for (const auto& [name, linear] : layers_of(*model)) {
      CHECK_FALSE(linear->weight.defined());
      const auto numbers = nn::quantized_numbers(*linear);
      weights += numbers->codes.outputs() * numbers->codes.inputs();
    }
    for (const auto& layer : layers) CHECK(layer.use.one);
    // Of two bytes a weight one is left at most: 8 bits are multiplied as they are kept, 4 bits are laid out
    // a second time.
    CHECK(model->bytes() < before - weights);
    CHECK(difference(model->hidden(ids(1)), one) < 0.05);
    CHECK(difference(model->hidden(ids(40)), more) < 0.05);
    const auto again = write();
    REQUIRE(again.size() == written.size());
    for (size_t i = 0; i < again.size(); i++) CHECK(again[i].equal(written[i]));
  }
}

TEST_CASE("packed products take the memory of the numbers, and of what is laid out beside them") {
  const auto extra = [](const Case& c, nn::RowUse use) {
    const auto numbers = std::make_shared<const nn::Quantized>(quantised(c, 16, 64, 5, true));
    return nn::QuantizedExecution(numbers, {}, use).bytes() - numbers->bytes();
  };
  CHECK(extra({4, true, 32}, {}) == 0);
  // One row: the numbers as they are stored, with scales in float32.
  CHECK(extra({4, true, 32}, {true, false}) == 16 * 2 * 4);
  CHECK(extra({8, true, 0}, {true, false}) == 16 * 4);
  // More: ATen's own copy of the codes, and a scale and zero for each group.
  CHECK(extra({4, true, 32}, {false, true}) == 16 * 64 / 2 + 16 * 2 * 2 * 2);
  CHECK(extra({4, true, 64}, {false, true}) == 16 * 64 / 2 + 16 * 2 * 2);  // one group is one in ATen too
  CHECK(extra({8, true, 0}, {false, true}) == 16 * 2);                     // the codes are those stored
  CHECK(extra({4, true, 64}, {true, true}) == 16 * 64 / 2 + 16 * 2 * 2 + 16 * 4);
}

TEST_CASE("auto keeps weights, and takes what timing says") {
  const at::NoGradGuard no_grad;
  const auto model = quantised_decoder({4, true, 64}, at::kBFloat16);
  const auto more = model->hidden(ids(40));
  const auto layers = models::use_packed_layers(*model, /*keep_weights=*/true, 40, job);
  CHECK(layers.size() == 14);
  const auto all = layers_of(*model);
  for (size_t i = 0; i < layers.size(); i++) {
    const auto& layer = layers[i];
    CHECK(layer.name == all[i].first);
    CHECK(layer.use.one == (layer.one.other <= 0.95 * layer.one.dense));
    CHECK(layer.use.more == (layer.more.other <= 0.95 * layer.more.dense));
    const auto& use = dynamic_cast<const nn::ChosenProduct&>(*all[i].second->execution).use;
    CHECK((use.one == layer.use.one && use.more == layer.use.more));
    CHECK(all[i].second->weight.defined());
  }
  CHECK(difference(model->hidden(ids(40)), more) < 0.05);
}

TEST_CASE("layers in float32, with an adapter, or of no whole numbers stay as they are") {
  const at::NoGradGuard no_grad;
  const auto floats = quantised_decoder({8, true, 0}, at::kFloat);
  CHECK(models::use_packed_layers(*floats, false, 8, job).empty());
  CHECK(layers_of(*floats)[0].second->weight.defined());
  const auto model = quantised_decoder({8, true, 0}, at::kBFloat16);
  layers_of(*model)[0].second->adapter = nn::Adapter{};
  layers_of(*model)[1].second->execution.reset();
  CHECK(models::use_packed_layers(*model, false, 8, job).size() == 12);
  CHECK(layers_of(*model)[0].second->weight.defined());
  CHECK(layers_of(*model)[1].second->weight.defined());
}
