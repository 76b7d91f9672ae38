// Laws of removing hidden units of feed-forward layers: what is left answers as if the others were zero.
#include "compress/rows.h"

#include <algorithm>

#include "compress/pruning_models.h"
#include "doctest.h"

using namespace tongueforge;
using namespace tongueforge::test;
using compress::prune_rows;
using compress::RowCriterion;

namespace {

constexpr RowCriterion kCriteria[] = {RowCriterion::l1, RowCriterion::activation, RowCriterion::taylor};

void mask_rows(models::Model& model, const compress::KeptUnits& kept) {
  const auto blocks = model.blocks();
  for (size_t layer = 0; layer < blocks.size(); layer++)
    for (int64_t row = 0; row < blocks[layer].sizes.intermediate_size; row++)
      if (std::ranges::find(kept[layer], row) == kept[layer].end())
        blocks[layer].narrow.linear->weight.select(1, row).zero_();
}

double mean_activation(const models::Model& model, size_t layer, int64_t row, const train::Batch& batch) {
  const at::NoGradGuard no_grad;
  at::Tensor seen;
  const nn::ObserverScope scope(*model.blocks()[layer].narrow.linear, [&](const at::Tensor& x) { seen = x; });
  model.hidden_packed(batch.rows());
  return seen.select(-1, row).abs().masked_select(batch.segments_BT.ge(0)).mean().item<double>();
}

// A stack of feed-forward layers without gates, with biases: as encoders have them.
class PlainStack final : public models::Model {
 public:
  PlainStack(int layers, int64_t width, int64_t intermediate, uint64_t seed) {
    auto random = generator(seed);
    for (int layer = 0; layer < layers; layer++) {
      layers_.emplace_back();
      auto& [widen, narrow, sizes] = layers_.back();
      widen.weight = at::randn({intermediate, width}, random);
      widen.bias = at::randn({intermediate}, random);
      narrow.weight = at::randn({width, intermediate}, random);
      narrow.bias = at::randn({width}, random);
      sizes = {1, 1, intermediate};
    }
  }

  std::vector<models::Parameter> parameters() override {
    std::vector<models::Parameter> all;
    for (auto& [widen, narrow, sizes] : layers_)
      for (auto* linear : {&widen, &narrow})
        for (auto* tensor : {&linear->weight, &linear->bias})
          all.push_back({"", tensor, tensor->sizes().vec(), models::ParameterKind::matrix});
    return all;
  }
  std::vector<models::Block> blocks() override {
    std::vector<models::Block> all;
    for (auto& [widen, narrow, sizes] : layers_) {
      models::Block block;
      block.q = block.k = block.v = block.o = {"unused", &unused_};
      block.widen = {{"fc1", &widen}};
      block.narrow = {"fc2", &narrow};
      block.sizes = sizes;
      all.push_back(block);
    }
    return all;
  }
  void resize_block(size_t i, const models::LayerSizes& sizes) override { layers_[i].sizes = sizes; }
  void keep_blocks(const std::vector<size_t>&) override {}
  int64_t vocab_size() const override { return 1; }
  at::ScalarType dtype() const override { return at::kFloat; }
  at::Device device() const override { return at::kCPU; }
  at::Tensor embed(const models::Rows&) const override { return {}; }
  at::Tensor run_block(size_t, const at::Tensor& x, const models::Rows&, const Job*) const override {
    return x;
  }
  at::Tensor hidden_packed(const models::Rows&, const Job*) const override { return {}; }

 private:
  struct Layer {
    nn::Linear widen, narrow;
    models::LayerSizes sizes;
  };
  std::vector<Layer> layers_;
  nn::Linear unused_;
};

}  // namespace

TEST_CASE("without some hidden units a model answers as if they were zero") {
  SilentJob job;
  for (const auto& c : kPruningCases)
    for (const auto criterion : kCriteria)
      for (uint64_t seed = 1; seed <= 3; seed++) {
        CAPTURE(c.name);
        CAPTURE(seed);
        const auto model = pruning_decoder(c, seed);
        const auto masked = deep_copy(*model);
        const auto rows = calibration_rows(*model, seed);
        const auto kept = prune_rows(*model, {criterion, {.keep = {5, 12, 1}}}, rows, job).kept;
        mask_rows(*masked, kept);
        CHECK(distance(answer(*model), answer(*masked)) < 1e-5);
        check_shapes(*model);
        CHECK(model->blocks()[0].sizes.intermediate_size == 5);
      }
}

TEST_CASE("removing no hidden unit leaves every tensor the very same") {
  SilentJob job;
  for (const auto criterion : kCriteria) {
    const auto model = pruning_decoder(kPruningCases[1], 2);
    const auto before = *model;
    prune_rows(*model, {criterion, {.keep = {12, 12, 12}}}, calibration_rows(*model, 2), job);
    const auto a = before.parameters(), b = model->parameters();
    for (size_t i = 0; i < a.size(); i++) CHECK(a[i].tensor->is_same(*b[i].tensor));
  }
}

TEST_CASE("by magnitude, twice is once: in two steps go the hidden units that go in one") {
  SilentJob job;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    CAPTURE(seed);
    const auto once = pruning_decoder(kPruningCases[1], seed), twice = deep_copy(*once);
    prune_rows(*once, {RowCriterion::l1, {.remove = 20}}, {}, job);
    prune_rows(*twice, {RowCriterion::l1, {.remove = 13}}, {}, job);
    prune_rows(*twice, {RowCriterion::l1, {.remove = 7}}, {}, job);
    const auto a = once->parameters(), b = twice->parameters();
    for (size_t i = 0; i < a.size(); i++) CHECK(a[i].tensor->equal(*b[i].tensor));
  }
}

TEST_CASE("where hidden units stand changes nothing but their numbers: scores follow a permutation") {
  SilentJob job;
  for (const auto criterion : kCriteria)
    for (uint64_t seed = 1; seed <= 3; seed++) {
      CAPTURE(seed);
      const auto model = pruning_decoder(kPruningCases[1], seed);
      to_double(*model);
      const auto scores = compress::row_scores(*model, criterion, calibration_rows(*model, seed), job);
      auto random = generator(seed);
      const auto order = at::randperm(12, random, at::kLong);
      const auto block = model->blocks()[0];
      for (const auto& [name, linear] : block.widen)
        for (auto* tensor : {&linear->weight, &linear->bias}) *tensor = tensor->index_select(0, order);
      block.narrow.linear->weight = block.narrow.linear->weight.index_select(1, order);
      const auto permuted = compress::row_scores(*model, criterion, calibration_rows(*model, seed), job);
      for (int64_t i = 0; i < 12; i++)
        CHECK(permuted[0][static_cast<size_t>(i)] ==
              doctest::Approx(scores[0][static_cast<size_t>(order[i].item<int64_t>())]).epsilon(1e-9));
    }
}

TEST_CASE("an activation counts by its mean size over the tokens of documents, padding left out") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[1], 3);
  const auto a = calibration_batch(5), b = calibration_batch(6);  // as many tokens in each
  const auto scores =
      compress::row_scores(*model, RowCriterion::activation, calibration_rows(*model, {a, b}), job);
  for (int64_t row = 0; row < 12; row++) {
    const double mean = (mean_activation(*model, 1, row, a) + mean_activation(*model, 1, row, b)) / 2;
    CHECK(scores[1][static_cast<size_t>(row)] == doctest::Approx(mean).epsilon(1e-5));
  }
}

TEST_CASE("a magnitude is of the rows with their biases and of the column") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[1], 3);
  const auto block = model->blocks()[2];
  const auto scores = compress::row_scores(*model, RowCriterion::l1, {}, job);
  for (int64_t row = 0; row < 12; row++) {
    double expected = block.narrow.linear->weight.select(1, row).abs().sum().item<double>();
    for (const auto& [name, linear] : block.widen)
      expected += linear->weight[row].abs().sum().item<double>() + linear->bias[row].abs().item<double>();
    CHECK(scores[2][static_cast<size_t>(row)] == doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("128 hidden units less in each of 12 layers of width 768 are 2,360,832 parameters less") {
  SilentJob job;
  PlainStack model(12, 768, 160, 1);
  const int64_t before = count_parameters(model);
  prune_rows(model, {RowCriterion::l1, {.keep = std::vector<int64_t>(12, 32)}}, {}, job);
  CHECK(before - count_parameters(model) == 2360832);
}
