// The laws of quantising; test/parity/quantize.test.mjs compares with compressed-tensors.
#include "compress/quantize.h"

#include <filesystem>

#include "checkpoint/posix_file.h"
#include "compress/calibration.h"
#include "compress/input_statistics.h"
#include "compress/matrices.h"
#include "compress/pruning_models.h"
#include "core/error.h"
#include "models/adapters.h"
#include "models/weights.h"

using namespace tongueforge;
using namespace tongueforge::compress;
using namespace tongueforge::test;

namespace {

struct Case {
  int bits;
  bool symmetric;
  int64_t group;
};
const std::vector<Case> kCases = {{8, true, 0},   {8, false, 0}, {4, true, 32},   {4, false, 32},
                                  {4, true, 128}, {8, true, 64}, {4, false, 384}, {4, true, 0}};

QuantizeSettings settings_of(const Case& c, bool bfloat16 = false) {
  return {{c.bits, c.symmetric, bfloat16}, c.group};
}

InverseFactor factor_of(const at::Tensor& gram_CC) {
  return inverse_factor(gram_CC, 0.01, "a layer", SilentJob());
}

at::Tensor scale_of_each(const nn::Quantized& quantized) {
  const int64_t inputs = quantized.codes.inputs(), groups = quantized.scales_OG.size(1);
  return quantized.scales_OG.to(at::kFloat).repeat_interleave(inputs / groups, 1);
}

bool same(const nn::Quantized& a, const nn::Quantized& b) {
  const bool zeros =
      a.maybe_zeros_OG.defined() ? a.maybe_zeros_OG.equal(b.maybe_zeros_OG) : !b.maybe_zeros_OG.defined();
  return a.codes.bits() == b.codes.bits() && a.codes.bytes().equal(b.codes.bytes()) &&
         a.scales_OG.equal(b.scales_OG) && zeros;
}

std::set<std::string> all_layers(const models::Model& model) {
  std::set<std::string> all;
  const auto blocks = model.blocks();
  for (size_t i = 0; i < blocks.size(); i++)
    for (const auto& projection : blocks[i].linears())
      all.insert(str("layers.", i, ".", projection.name.substr(blocks[i].prefix.size())));
  return all;
}

std::vector<models::Rows> rows_of(uint64_t seed) {
  const auto batch = calibration_batch(seed);
  return {batch.rows()};
}

}  // namespace

TEST_CASE("nearest values are at most half a step away, and quantising them again changes nothing") {
  for (const auto& c : kCases) {
    for (const uint64_t seed : {41, 42, 43}) {
      CAPTURE(c.bits);
      CAPTURE(c.symmetric);
      CAPTURE(c.group);
      CAPTURE(seed);
      auto weight = random_matrix({40, 384}, seed).mul_(random_matrix({40, 1}, seed + 9).exp());
      if (seed == 43) weight.add_(2);  // far from symmetric
      const auto once = round_to_nearest(weight, settings_of(c));
      const auto dense = once.dense();
      CHECK(((dense - weight).abs() / scale_of_each(once)).max().item<double>() <= 0.5 + 1e-5);
      const auto twice = round_to_nearest(dense, settings_of(c));
      CHECK(same(once, twice));
      CHECK(twice.dense().equal(dense));
    }
  }
}

TEST_CASE("in bfloat16 they are half a step away and what the product is rounded by") {
  const uint64_t seed = 51;
  CAPTURE(seed);
  for (const auto& c : kCases) {
    CAPTURE(c.bits);
    CAPTURE(c.symmetric);
    CAPTURE(c.group);
    const auto weight = random_matrix({40, 384}, seed).to(at::kBFloat16).to(at::kFloat);
    const auto once = round_to_nearest(weight, settings_of(c, /*bfloat16=*/true));
    CHECK(once.scales_OG.element_size() == 2);
    const auto dense = once.dense().to(at::kFloat);
    const auto most = scale_of_each(once) * (0.5 + 1e-5) + dense.abs() * 0.00391;
    CHECK((dense - weight).abs().le(most).all().item<bool>());
  }
}

TEST_CASE("zeros stay zeros, also where others make up for the rounding; a row of zeros has a scale of 1") {
  const uint64_t seed = 61;
  CAPTURE(seed);
  const auto factor = factor_of([&] {
    InputGram gram(384);
    gram.add(related_inputs(800, 384, seed));
    return gram.take();
  }());
  for (const auto& c : kCases) {
    CAPTURE(c.bits);
    CAPTURE(c.symmetric);
    CAPTURE(c.group);
    const auto weight = random_matrix({40, 384}, seed + 7);
    weight.masked_fill_(random_matrix({40, 384}, seed + 8).gt(0), 0);
    weight[3].zero_();
    for (const auto& quantized : {round_to_nearest(weight, settings_of(c)),
                                  round_by_inputs(weight, factor, settings_of(c), SilentJob())}) {
      CHECK(quantized.dense().masked_select(weight.eq(0)).eq(0).all().item<bool>());
      CHECK(quantized.scales_OG[3].eq(1).all().item<bool>());
    }
  }
}

TEST_CASE("GPTQ with inputs that have nothing to do with each other is rounding to nearest") {
  const uint64_t seed = 71;
  CAPTURE(seed);
  const auto factor = factor_of(at::eye(384) * 3.7);
  for (const bool bfloat16 : {false, true})
    for (const auto& c : kCases) {
      CAPTURE(c.bits);
      CAPTURE(c.symmetric);
      CAPTURE(c.group);
      CAPTURE(bfloat16);
      const auto weight = random_matrix({40, 384}, seed);
      CHECK(same(round_to_nearest(weight, settings_of(c, bfloat16)),
                 round_by_inputs(weight, factor, settings_of(c, bfloat16), SilentJob())));
    }
}

TEST_CASE("GPTQ is closer on related inputs than rounding to nearest, the same on any number of threads") {
  for (const uint64_t seed : {81, 82}) {
    InputGram sum(384);
    sum.add(related_inputs(2000, 384, seed));
    const auto gram = sum.take();
    const auto factor = factor_of(gram);
    const auto weight = random_matrix({40, 384}, seed + 5);
    for (const auto& c : kCases) {
      CAPTURE(c.bits);
      CAPTURE(c.symmetric);
      CAPTURE(c.group);
      CAPTURE(seed);
      const auto settings = settings_of(c);
      const auto solve = [&] { return round_by_inputs(weight, factor, settings, SilentJob()); };
      const auto solved = with_threads(1, solve);
      CHECK(same(solved, with_threads(2, solve)));
      const double nearest = squared_error(weight - round_to_nearest(weight, settings).dense(), gram);
      CHECK(squared_error(weight - solved.dense(), gram) < 0.8 * nearest);
      // Making up for others can push a weight past the grid of its row, which is not to be left.
      if (c.symmetric) CHECK(solved.codes.bytes().min().item<int64_t>() >= 1 - (1 << (c.bits - 1)));
    }
  }
}

TEST_CASE("what others add to a weight that stays zero does not widen its group's grid") {
  const auto weight =
      at::tensor({7.0F, 0.45F, 3.0F, -2.0F, 0.01F, -0.01F, 0.0F, 0.005F}, at::kFloat).view({1, 8});
  const auto gram = at::eye(8);
  gram[1][6] = gram[6][1] = 0.9;  // 0.45 is rounded to 0, for which the zero would make up
  for (const bool symmetric : {true, false}) {
    CAPTURE(symmetric);
    const auto settings = settings_of({4, symmetric, 4});
    const auto solved = round_by_inputs(weight, factor_of(gram), settings, SilentJob());
    CHECK(same(solved, round_to_nearest(weight, settings)));
    // Where it may be what it likes, it is what others make of it.
    const auto free = weight.clone();
    free[0][6] = 1e-6;
    const auto moved = round_by_inputs(free, factor_of(gram), settings, SilentJob()).dense();
    CHECK(std::abs(moved[0][6].item<double>()) > 0.1);
  }
}

TEST_CASE("packed and unpacked a weight is the same, with outputs and inputs that fill no word") {
  for (const auto& c : {Case{4, true, 0}, Case{4, false, 0}, Case{8, true, 0}, Case{8, false, 0}}) {
    CAPTURE(c.bits);
    CAPTURE(c.symmetric);
    const auto quantized = round_to_nearest(random_matrix({11, 13}, 91), settings_of(c));
    nn::PackedTensors tensors;
    for (const auto& [name, tensor] : nn::packed(quantized)) {
      if (name == "weight_packed") tensors.weight_packed = tensor;
      if (name == "weight_scale") tensors.weight_scale = tensor;
      if (name == "weight_shape") tensors.weight_shape = tensor;
      if (name == "weight_zero_point") tensors.maybe_zero_point = tensor;
    }
    CHECK(tensors.weight_packed.size(0) == 11);
    CHECK(tensors.weight_packed.size(1) == (c.bits == 4 ? 2 : 4));
    CHECK(same(quantized, nn::unpacked(tensors, "a.weight")));
    tensors.weight_packed = tensors.weight_packed.slice(1, 0, 1);
    try {
      nn::unpacked(tensors, "a.weight");
      FAIL("expected an error");
    } catch (const Error& error) {
      CHECK(error.code() == std::string("ERR_SHAPE_MISMATCH"));
      CHECK(std::string(error.what()).find("for a weight of [11, 13]") != std::string::npos);
      CHECK(error.hint().find("pack-quantized") != std::string::npos);
    }
  }
}

TEST_CASE("a quantised model is what its files say, and no layer is worse by GPTQ than by nearest values") {
  for (const auto& c : kPruningCases) {
    for (const bool gptq : {false, true}) {
      CAPTURE(c.name);
      CAPTURE(gptq);
      const auto model = pruning_decoder(c, 101, 3, 16);
      QuantizeOptions options;
      options.bits = 4, options.group = 4, options.symmetric = false, options.gptq = gptq;
      options.layers = all_layers(*model);
      SilentJob job;
      const auto figures = quantize_weights(*model, options, rows_of(102), job);
      CHECK(figures.size() == options.layers.size());
      for (const auto& layer : figures) {
        CHECK(layer.error.has_value() == gptq);
        if (gptq) CHECK(*layer.error <= *layer.error_of_nearest);
      }
      const auto folder = std::filesystem::temp_directory_path() / "tongueforge_quantize_test";
      std::filesystem::remove_all(folder);
      std::filesystem::create_directories(folder / "a");
      std::filesystem::create_directories(folder / "b");
      models::save_weights(*model, (folder / "a").string(), at::kFloat, 1 << 30, job);
      const auto again = std::make_shared<models::Decoder>(model->spec());
      models::load_weights(*again, (folder / "a").string(), at::kFloat, at::kCPU, job);
      CHECK(answer(*again).equal(answer(*model)));
      models::save_weights(*again, (folder / "b").string(), at::kFloat, 1 << 30, job);
      const auto read = [&](const char* name) {
        return checkpoint::read_file((folder / name / "model.safetensors").string(), 1 << 30);
      };
      CHECK(read("a") == read("b"));
      std::filesystem::remove_all(folder);
    }
  }
}

TEST_CASE("of GPTQ and nearest values a layer takes those that are closer on its inputs") {
  SilentJob job;
  QuantizeOptions options;
  options.bits = 4, options.group = 4, options.gptq = true;
  options.layers = {"layers.0.self_attn.k_proj", "layers.0.self_attn.v_proj"};
  const QuantizeSettings settings = {{options.bits, options.symmetric, false}, options.group};
  int64_t solved_taken = 0, nearest_taken = 0;
  for (uint64_t seed = 121; seed < 141; seed++) {
    CAPTURE(seed);
    const auto model = pruning_decoder(kPruningCases[3], seed, 1);
    std::vector<models::Rows> rows;
    for (uint64_t batch = 0; batch < 20; batch++) rows.push_back(rows_of(seed + 1000 * batch).front());
    const auto block = model->blocks()[0];
    // Over many outputs GPTQ is always the closer one: one is left, the others stay zero.
    for (const auto& layer : {block.k, block.v}) layer.linear->weight.narrow(0, 1, 7).zero_();
    InputGram sum(block.k.linear->weight.size(1));
    Calibration(*model, rows, job).observe({{block.k.linear, [&](const at::Tensor& x_PC) {
                                               sum.add(x_PC);
                                             }}});
    const auto gram = sum.take();
    const auto factor = inverse_factor(gram, options.damping, "a layer", job);
    std::vector<at::Tensor> expected;
    std::vector<double> errors;
    for (const auto& layer : {block.k, block.v}) {
      const auto weight = layer.linear->weight.clone();
      const auto nearest = round_to_nearest(weight, settings).dense(),
                 solved = round_by_inputs(weight, factor, settings, job).dense();
      const double of_nearest = squared_error(weight - nearest, gram),
                   of_solved = squared_error(weight - solved, gram);
      const bool takes_solved = of_solved < of_nearest;
      (takes_solved ? solved_taken : nearest_taken)++;
      expected.push_back(takes_solved ? solved : nearest);
      errors.push_back(std::sqrt(std::min(of_solved, of_nearest) / squared_error(weight, gram)));
    }
    const auto figures = quantize_weights(*model, options, rows, job);
    REQUIRE(figures.size() == 2);
    CHECK(block.k.linear->weight.equal(expected[0]));
    CHECK(block.v.linear->weight.equal(expected[1]));
    for (size_t i = 0; i < 2; i++) CHECK(*figures[i].error == doctest::Approx(errors[i]).epsilon(1e-3));
  }
  CHECK(solved_taken > 0);
  CHECK(nearest_taken > 0);
}

TEST_CASE("in bfloat16 others make up for what the products are rounded by as well") {
  // Scale 1 + 2^-7: 101 of it are 101.789, in bfloat16 102; for that .211 the second weight goes down by a
  // step.
  const double scale = 1.0078125;
  const auto weight = (at::tensor({101.0, 10.6, 127.0}, at::kDouble) * scale).to(at::kFloat).view({1, 3});
  const auto gram = at::eye(3);
  gram[0][1] = gram[1][0] = 0.99;
  const auto codes = [&](bool bfloat16) {
    return round_by_inputs(weight, factor_of(gram), settings_of({8, true, 0}, bfloat16), SilentJob())
        .codes.bytes();
  };
  CHECK(codes(false).equal(at::tensor({101, 11, 127}, at::kChar).view({1, 3})));
  CHECK(codes(true).equal(at::tensor({101, 10, 127}, at::kChar).view({1, 3})));
}

TEST_CASE("by GPTQ a block is made for what the quantised blocks before it have become") {
  const auto& c = kPruningCases[0];
  const auto model = pruning_decoder(c, 131, 2, 16), dense = deep_copy(*model);
  QuantizeOptions options;
  options.bits = 4, options.group = 4, options.gptq = true;
  options.layers = all_layers(*model);
  SilentJob job;
  const auto figures = quantize_weights(*model, options, rows_of(132), job);
  const auto layer = model->blocks()[1].q;
  InputGram sum(layer.linear->weight.size(1));
  Calibration heard(*model, rows_of(132), job);
  heard.advance();
  heard.observe({{layer.linear, [&](const at::Tensor& x_PC) { sum.add(x_PC); }}});
  const auto gram = sum.take(), before = dense->blocks()[1].q.linear->weight;
  const double error =
      std::sqrt(squared_error(before - layer.linear->weight, gram) / squared_error(before, gram));
  const auto told = std::ranges::find(figures, layer.name + ".weight", &QuantizedFigures::name);
  REQUIRE(told != figures.end());
  CHECK(*told->error == doctest::Approx(error).epsilon(1e-3));
  CHECK(*told->error < *told->error_of_nearest);
}

TEST_CASE("weights under an adapter are not quantised, nor any before them") {
  const auto model = pruning_decoder(kPruningCases[0], 141, 2, 16);
  models::attach_adapters(*model, {{"model.layers.1.mlp.up_proj", 2, 1.0}}, 0, 1);
  const auto before = model->blocks()[0].q.linear->weight.clone();
  QuantizeOptions options;
  options.group = 4;
  options.layers = all_layers(*model);
  SilentJob job;
  CHECK_THROWS_WITH_AS(
      quantize_weights(*model, options, {}, job),
      "model.layers.1.mlp.up_proj: expected weights without an adapter, received some under an adapter",
      Error);
  CHECK(model->blocks()[0].q.linear->weight.equal(before));
}

TEST_CASE(
    "inputs that are no whole groups and weights that are no numbers are refused before anything changes") {
  const auto model = pruning_decoder(kPruningCases[0], 111, 2, 14);
  const auto before = model->blocks()[0].q.linear->weight.clone();
  QuantizeOptions options;
  options.group = 4;
  options.layers = all_layers(*model);
  SilentJob job;
  const auto thrown = [&] {
    try {
      quantize_weights(*model, options, {}, job);
    } catch (const Error& error) { return str(error.code(), ": ", error.what(), " ", error.hint()); }
    return std::string("nothing");
  };
  CHECK(thrown() ==
        "ERR_CONFIG: group: expected the inputs of model.layers.0.mlp.down_proj to be groups of 4, received "
        "14 inputs "
        "Take a group that divides its inputs, or exclude this layer.");
  options.group = 0;
  model->blocks()[1].o.linear->weight[0][0] = NAN;
  CHECK(thrown().starts_with("ERR_NON_FINITE: Expected finite weights in model.layers.1.self_attn.o_proj"));
  CHECK(model->blocks()[0].q.linear->weight.equal(before));
}
