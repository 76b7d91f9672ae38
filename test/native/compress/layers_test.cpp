// Laws of dropping layers by how little they change the residual stream.
#include "compress/layers.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "compress/pruning_models.h"
#include "core/error.h"
#include "doctest.h"

using namespace tongueforge;
using namespace tongueforge::test;
using compress::drop_layers;
using compress::LayerCriterion;

namespace {

// Adds nothing to the residual stream.
void make_identity(const models::Block& block) {
  for (const auto* linear : {block.o.linear, block.narrow.linear}) {
    linear->weight.zero_();
    if (linear->bias.defined()) linear->bias.zero_();
  }
}

// Into each layer, and out of the last, by the model's own steps.
std::vector<at::Tensor> streams(const models::Model& model, const train::Batch& batch) {
  const at::NoGradGuard no_grad;
  const auto rows = batch.rows();
  std::vector<at::Tensor> all = {model.embed(rows)};
  for (size_t layer = 0; layer < model.blocks().size(); layer++)
    all.push_back(model.run_block(layer, all.back(), rows, nullptr));
  return all;
}

// Token by token, as the formula is written.
template <class Measure>
double mean_over_tokens(const at::Tensor& x_BTD, const at::Tensor& y_BTD, const train::Batch& batch,
                        const Measure& measure) {
  double sum = 0;
  int64_t tokens = 0;
  for (int64_t row = 0; row < x_BTD.size(0); row++)
    for (int64_t place = 0; place < x_BTD.size(1); place++) {
      if (batch.segments_BT[row][place].item<int64_t>() < 0) continue;
      const auto x = x_BTD[row][place].to(at::kDouble), y = y_BTD[row][place].to(at::kDouble);
      sum += measure((x * y).sum().item<double>() / (x.norm() * y.norm()).item<double>());
      tokens++;
    }
  return sum / static_cast<double>(tokens);
}

double turned(double cosine) { return std::acos(std::clamp(cosine, -1.0, 1.0)) / std::numbers::pi; }

Error refusal(models::Model& model, int64_t count) {
  SilentJob job;
  try {
    drop_layers(model, LayerCriterion::influence, count, calibration_rows(model, 1), job);
  } catch (const Error& error) { return error; }
  FAIL("nothing was thrown");
  return Error("", "");
}

}  // namespace

TEST_CASE("a layer that adds nothing has no influence, and is the first to go") {
  SilentJob job;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    CAPTURE(seed);
    const auto model = pruning_decoder(kPruningCases[1], seed, 4);
    const size_t idle = seed % 4;
    make_identity(model->blocks()[idle]);
    const auto rows = calibration_rows(*model, seed);
    const auto influences = compress::block_influences(*model, rows, job);
    for (size_t layer = 0; layer < 4; layer++) CHECK((influences[layer] == 0) == (layer == idle));
    const auto before = answer(*model);
    const auto dropped = drop_layers(*model, LayerCriterion::influence, 1, rows, job);
    CHECK(std::ranges::find(dropped.kept, static_cast<int64_t>(idle)) == dropped.kept.end());
    CHECK(distance(before, answer(*model)) < 1e-6);
  }
}

TEST_CASE("influences and angles are what their formulas say, token by token, padding left out") {
  SilentJob job;
  for (uint64_t seed = 1; seed <= 3; seed++) {
    CAPTURE(seed);
    const auto model = pruning_decoder(kPruningCases[2], seed, 4);
    const auto batch = calibration_batch(seed);
    const auto rows = calibration_rows(*model, {batch});
    const auto influences = compress::block_influences(*model, rows, job);
    const auto stream = streams(*model, batch);
    REQUIRE(influences.size() == 4);
    for (size_t layer = 0; layer < 4; layer++)
      CHECK(influences[layer] ==
            doctest::Approx(mean_over_tokens(stream[layer], stream[layer + 1], batch, [](double cosine) {
              return 1 - cosine;
            })).epsilon(1e-9));
    for (size_t span = 1; span <= 4; span++) {
      const auto angles = compress::stretch_angles(*model, static_cast<int64_t>(span), rows, job);
      REQUIRE(angles.size() == 5 - span);
      for (size_t first = 0; first < angles.size(); first++)
        CHECK(angles[first] ==
              doctest::Approx(mean_over_tokens(stream[first], stream[first + span], batch, turned))
                  .epsilon(1e-9));
    }
  }
}

TEST_CASE("by angle the layers that go are neighbours: the stretch that turns the stream least") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[1], 3, 5);
  make_identity(model->blocks()[2]);
  make_identity(model->blocks()[3]);
  const auto before = answer(*model);
  const auto dropped = drop_layers(*model, LayerCriterion::angle, 2, calibration_rows(*model, 3), job);
  CHECK(dropped.kept == std::vector<int64_t>{0, 1, 4});
  CHECK(dropped.scores.size() == 4);
  CHECK(distance(before, answer(*model)) < 1e-6);
}

TEST_CASE("without a layer, the others run on what the one before it gives") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[2], 4, 4);
  const auto skipping = deep_copy(*model);
  for (const size_t layer : {0, 2}) make_identity(skipping->blocks()[layer]);
  const auto dropped = compress::keep_layers(*model, {1, 3});
  CHECK(dropped.kept == std::vector<int64_t>{1, 3});
  CHECK(model->blocks().size() == 2);
  CHECK(distance(answer(*model), answer(*skipping)) < 1e-6);
  CHECK(model->spec().layers[0].window == 5);  // of the layer that stayed
  CHECK(model->spec().layers[1].window == 0);
  check_shapes(*model);
}

TEST_CASE("dropping no layer changes nothing, dropping all is refused") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[1], 4);
  const auto before = *model;
  const auto dropped = drop_layers(*model, LayerCriterion::angle, 0, calibration_rows(*model, 4), job);
  CHECK(dropped.kept == std::vector<int64_t>{0, 1, 2});
  const auto a = before.parameters(), b = model->parameters();
  for (size_t i = 0; i < a.size(); i++) CHECK(a[i].tensor->is_same(*b[i].tensor));
  CHECK(refusal(*model, 3).message() == "Expected to drop 0 to 2 layers, received 3");
  CHECK(refusal(*model, -1).code() == "ERR_CONFIG");
}

TEST_CASE("the size of the stream does not count, only its direction") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[1], 6);
  const auto larger = deep_copy(*model);
  auto& embedding = *larger->parameters()[0].tensor;
  embedding.mul_(4);
  for (const auto& block : larger->blocks())
    for (const auto* linear : {block.o.linear, block.narrow.linear}) {
      linear->weight.mul_(4);
      linear->bias.mul_(4);
    }
  const auto a = compress::block_influences(*model, calibration_rows(*model, 6), job);
  const auto b = compress::block_influences(*larger, calibration_rows(*larger, 6), job);
  for (size_t layer = 0; layer < a.size(); layer++)
    CHECK(a[layer] == doctest::Approx(b[layer]).epsilon(1e-3));
}

TEST_CASE("a token without a direction has not turned, or has turned by a right angle") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[0], 7, 2);
  model->parameters()[0].tensor->zero_();  // and without biases nothing comes of it
  const auto rows = calibration_rows(*model, 7);
  CHECK(compress::block_influences(*model, rows, job) == std::vector<double>{0, 0});
  model->blocks()[0].narrow.linear->bias = at::ones({24});
  CHECK(compress::block_influences(*model, rows, job)[0] == 1);
  CHECK(compress::stretch_angles(*model, 1, rows, job)[0] == 0.5);
}

TEST_CASE("rows without a document have no influence to tell") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[0], 1);
  auto rows = calibration_rows(*model, 1);
  for (auto& batch : rows.batches) batch.segments_BT = at::full_like(batch.segments_BT, -1);
  try {
    compress::block_influences(*model, rows, job);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_CALIBRATION");
    CHECK(error.message() == "Expected calibration rows with text in them, received none");
    CHECK(error.hint() == "Name texts under calibration.data.");
  }
}
