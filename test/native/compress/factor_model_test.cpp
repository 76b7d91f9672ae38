// Laws of a model whose linear layers are factored. Seeds are those of the models and rows; every case has a
// few.
#include "compress/factor_model.h"

#include "compress/low_rank.h"
#include "compress/ranks.h"
#include "compress/shared_inputs.h"
#include "compress/tiny_rows.h"
#include "core/error.h"
#include "models/tiny_decoder.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;
using compress::FactorOptions;
using compress::Measure;

namespace {

// Every linear layer, with the rank that keeps this share of its parameters.
std::map<std::string, int64_t> ranks_of(models::Model& model, double ratio) {
  std::map<std::string, int64_t> ranks;
  const auto blocks = model.blocks();
  for (size_t i = 0; i < blocks.size(); i++)
    for (const auto& projection : blocks[i].linears()) {
      const auto weight = projection.linear->dense();
      ranks[compress::layer_key(blocks[i], i, projection)] = static_cast<int64_t>(
          ratio * static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0) + weight.size(1)));
    }
  return ranks;
}

int64_t linear_parameters(models::Model& model) {
  int64_t sum = 0;
  for (const auto& block : model.blocks())
    for (const auto& [_, linear] : block.linears())
      sum += linear->factors ? linear->factors->in_RI.numel() + linear->factors->out_OR.numel()
                             : linear->weight.numel();
  return sum;
}

// |x W^T - x W'^T|^2 / |x W^T|^2 of one layer of two models, over what goes into it in both alike.
double output_error(const at::Tensor& x_PC, const at::Tensor& before, const at::Tensor& after) {
  const auto x = x_PC.to(at::kDouble);
  const auto wanted = x.matmul(before.to(at::kDouble).t());
  return ((wanted - x.matmul(after.to(at::kDouble).t())).norm() / wanted.norm()).item<double>();
}

// What goes into a layer at the places of documents.
at::Tensor inputs_of(const models::Model& model, nn::Linear& linear, const models::Rows& rows) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> seen;
  const nn::ObserverScope scope(linear, [&](const at::Tensor& x) { seen.push_back(x.flatten(0, 1)); });
  model.hidden_packed(rows);
  return at::cat(seen).index_select(0, rows.segments_BT.ge(0).flatten().nonzero().squeeze(1));
}

at::Tensor hidden(const models::Model& model, const models::Rows& rows) {
  const at::NoGradGuard no_grad;
  return model.hidden_packed(rows);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

FactorOptions half(models::Model& model, Measure measure) {
  return {.measure = measure, .ranks = ranks_of(model, 0.5)};
}

SilentJob job;

}  // namespace

TEST_CASE("each layer has its rank, fewer parameters than before, and the errors that are told") {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    CAPTURE(seed);
    for (const auto measure : {Measure::weights, Measure::outputs, Measure::input_sizes}) {
      const auto model = test::tiny_decoder(test::tiny_spec(), seed);
      const auto options = half(*model, measure);
      const int64_t before = linear_parameters(*model);
      const auto report = compress::factor_model(*model, options, {compress::tiny_rows(seed)}, job);
      REQUIRE(report.size() == options.ranks.size());
      int64_t told = 0;
      for (const auto& layer : report) {
        CHECK(layer.rank > 0);
        CHECK(layer.error ==
              doctest::Approx(layer.foretold).epsilon(1e-4));  // factors are rounded to float32
        CHECK(layer.error > 0.01);
        told += layer.parameters;
      }
      CHECK(linear_parameters(*model) == told);
      CHECK(told <= before / 2);
      const auto blocks = model->blocks();
      for (size_t i = 0; i < blocks.size(); i++)
        for (const auto& projection : blocks[i].linears())
          CHECK(projection.linear->factors->rank ==
                options.ranks.at(compress::layer_key(blocks[i], i, projection)));
    }
  }
}

TEST_CASE("the error of the first layers' outputs on the calibration rows is the one that is told") {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    CAPTURE(seed);
    const auto rows = compress::tiny_rows(seed);
    const auto dense = test::tiny_decoder(), factored = test::tiny_decoder();
    const auto report = compress::factor_model(*factored, half(*factored, Measure::outputs), {rows}, job);
    auto before = dense->blocks()[0].linears();
    const auto after = factored->blocks()[0].linears();
    for (size_t k = 0; k < before.size(); k++) {
      const auto x_PC = inputs_of(*dense, *before[k].linear, rows);
      CHECK(output_error(x_PC, before[k].linear->weight, after[k].linear->dense()) ==
            doctest::Approx(report[k].error).epsilon(1e-4));
    }
  }
}

TEST_CASE("later layers are made for what the layers before have become") {
  const auto rows = compress::tiny_rows(1);
  const auto factored = test::tiny_decoder(), dense = test::tiny_decoder();
  const auto report = compress::factor_model(*factored, half(*factored, Measure::outputs), {rows}, job);
  const auto x_PC = inputs_of(*factored, *factored->blocks()[1].q.linear, rows);
  CHECK(output_error(x_PC, dense->blocks()[1].q.linear->weight, factored->blocks()[1].q.linear->dense()) ==
        doctest::Approx(report[7].error).epsilon(1e-4));
}

TEST_CASE("an approximation of the outputs is nearer to the model on its rows than one of the weights") {
  double outputs = 0, weights = 0;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    const auto rows = compress::tiny_rows(seed);
    const auto wanted = hidden(*test::tiny_decoder(test::tiny_spec(), seed), rows);
    for (const auto measure : {Measure::outputs, Measure::weights}) {
      const auto model = test::tiny_decoder(test::tiny_spec(), seed);
      compress::factor_model(*model, half(*model, measure), {rows}, job);
      (measure == Measure::outputs ? outputs : weights) +=
          (hidden(*model, rows) - wanted).norm().item<double>();
    }
  }
  CHECK(outputs < 0.95 * weights);
}

TEST_CASE("multiplied back, a model computes what its factors do, with the shapes of before") {
  for (const auto measure : {Measure::weights, Measure::outputs}) {
    const auto rows = compress::tiny_rows(3);
    const auto factored = test::tiny_decoder(), dense = test::tiny_decoder();
    auto options = half(*factored, measure);
    const auto report = compress::factor_model(*factored, options, {rows}, job);
    options.dense = true;
    const auto dense_report = compress::factor_model(*dense, options, {rows}, job);
    CHECK(largest_difference(hidden(*factored, rows), hidden(*dense, rows)) < 1e-4);
    for (size_t k = 0; k < report.size(); k++) {
      CHECK(dense_report[k].rank == report[k].rank);
      CHECK(dense_report[k].parameters > report[k].parameters);
    }
    for (const auto& block : dense->blocks())
      for (const auto& [_, linear] : block.linears()) CHECK(linear->weight.defined());
    for (auto& [_, rank] : options.ranks) rank = 1000;
    compress::factor_model(*factored, options, {rows},
                           job);  // what has a smaller rank is only multiplied back
    CHECK(largest_difference(hidden(*factored, rows), hidden(*dense, rows)) < 1e-4);
    CHECK(linear_parameters(*factored) == linear_parameters(*dense));
  }
}

TEST_CASE("a rank that saves nothing leaves the layer as it is") {
  const auto rows = compress::tiny_rows(1);
  const auto model = test::tiny_decoder();
  const auto before = hidden(*model, rows);
  auto options = half(*model, Measure::outputs);
  for (auto& [_, rank] : options.ranks) rank = 24;
  for (const auto& layer : compress::factor_model(*model, options, {rows}, job)) {
    CHECK(layer.rank == 0);
    CHECK(layer.error == 0);
  }
  CHECK(hidden(*model, rows).equal(before));
}

TEST_CASE("an energy is kept by every layer, and by no smaller rank") {
  const auto model = test::tiny_decoder(), dense = test::tiny_decoder();
  auto options = half(*model, Measure::weights);
  options.energy = 0.7;
  const auto report = compress::factor_model(*model, options, {}, job);
  size_t k = 0;
  for (const auto& block : dense->blocks())
    for (const auto& [_, linear] : block.linears()) {
      const auto& layer = report[k++];
      if (layer.rank == 0) continue;
      CHECK(1 - layer.error * layer.error >= 0.7 - 1e-6);
      const auto s = at::linalg_svdvals(linear->weight.to(at::kDouble)).square();
      CHECK((s.slice(0, 0, layer.rank - 1).sum() / s.sum()).item<double>() < 0.7);
    }
}

TEST_CASE("a budget is spread over all layers and kept, and does better than the same share for each") {
  const auto rows = compress::tiny_rows(2);
  const auto uniform = test::tiny_decoder(), spread = test::tiny_decoder();
  const auto options = half(*uniform, Measure::outputs);
  const int64_t all = linear_parameters(*spread);
  const auto same = compress::factor_model(*uniform, options, {rows}, job);
  auto global = options;
  global.budget = all / 2;
  const auto report = compress::factor_model(*spread, global, {rows}, job);
  CHECK(linear_parameters(*spread) <= all / 2);
  CHECK(linear_parameters(*spread) > all / 2 - 64);  // a component of the largest matrix
  double a = 0, b = 0;
  for (const auto& layer : same) a += layer.error * layer.error;
  for (const auto& layer : report) b += layer.error * layer.error;
  CHECK(b < a);
}

TEST_CASE("layers that are not named stay as they are") {
  const auto model = test::tiny_decoder(), dense = test::tiny_decoder();
  const auto report =
      compress::factor_model(*model, {.ranks = {{"layers.1.mlp.up_proj", 3}}}, {compress::tiny_rows(1)}, job);
  REQUIRE(report.size() == 1);
  CHECK(report[0].name == "model.layers.1.mlp.up_proj");
  CHECK_FALSE(model->blocks()[0].widen[1].linear->factors);
  CHECK(model->blocks()[1].widen[1].linear->factors->rank == 3);
  CHECK(model->blocks()[1].q.linear->weight.equal(dense->blocks()[1].q.linear->weight));
}

TEST_CASE("the same rows give the same bytes") {
  const auto first = test::tiny_decoder(), second = test::tiny_decoder();
  for (const auto& model : {first, second})
    compress::factor_model(*model, half(*model, Measure::outputs), {compress::tiny_rows(4)}, job);
  const auto a = first->parameters(), b = second->parameters();
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); i++) CHECK(a[i].tensor->equal(*b[i].tensor));
}

TEST_CASE("a layer under an adapter, and weights that are no numbers, are refused before anything changes") {
  const auto model = test::tiny_decoder();
  const auto before = model->blocks()[0].q.linear->weight.clone();
  model->blocks()[1].o.linear->adapter.emplace();
  const auto code_of = [&] {
    try {
      compress::factor_model(*model, half(*model, Measure::weights), {}, job);
    } catch (const Error& error) { return error.code() + ": " + error.hint(); }
    return std::string();
  };
  CHECK(code_of() == "ERR_ADAPTER: Merge it first: tongueforge adapter merge.");
  model->blocks()[1].o.linear->adapter.reset();
  model->blocks()[1].narrow.linear->weight[0][0] = NAN;
  CHECK(code_of().starts_with("ERR_NON_FINITE: tongueforge inspect --scan"));
  CHECK(model->blocks()[0].q.linear->weight.equal(before));
}
