// Heads, hidden units and layers that leave a text encoder, which sees both sides of a token and has biases
// everywhere: what is left answers as if they were zero.
#include <algorithm>
#include <cmath>

#include "compress/heads.h"
#include "compress/layers.h"
#include "compress/pruning_models.h"
#include "compress/rows.h"
#include "doctest.h"
#include "models/tiny_encoder.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

constexpr int64_t kHeadDim = 8, kHidden = 12;

std::shared_ptr<models::TextEncoder> encoder(uint64_t seed) {
  auto spec = tiny_encoder_spec();
  spec.layers.clear();
  for (int layer = 0; layer < 3; layer++) spec.layers.push_back({{3, 3, kHidden}, {}});
  return tiny_encoder(spec, seed);
}

std::shared_ptr<models::TextEncoder> deep_copy(const models::TextEncoder& model) {
  auto copy = std::make_shared<models::TextEncoder>(model);
  for (const auto& parameter : copy->parameters()) *parameter.tensor = parameter.tensor->clone();
  return copy;
}

compress::CalibrationRows rows_of(const models::Model& model, uint64_t seed) {
  return calibration_rows(model, {masked_batch(seed), masked_batch(seed + 100)}, "masked");
}

at::Tensor answer_of(const models::Model& model) {
  const at::NoGradGuard no_grad;
  return model.hidden_packed(masked_batch(77).rows());
}

bool has(const std::vector<int64_t>& kept, int64_t unit) {
  return std::ranges::find(kept, unit) != kept.end();
}

}  // namespace

TEST_CASE("without some heads an encoder answers as if their context were zero") {
  using compress::HeadCriterion;
  SilentJob job;
  for (const auto criterion : {HeadCriterion::l1, HeadCriterion::data, HeadCriterion::taylor})
    for (uint64_t seed = 1; seed <= 3; seed++) {
      CAPTURE(seed);
      const auto model = encoder(seed), masked = deep_copy(*model);
      const auto pruned = compress::prune_heads(
          *model, {criterion, compress::HeadUnit::group, {.keep = {1, 3, 2}}}, rows_of(*model, seed), job);
      const auto blocks = masked->blocks();
      for (size_t layer = 0; layer < blocks.size(); layer++)
        for (int64_t head = 0; head < 3; head++)
          if (!has(pruned.kept[layer], head))
            blocks[layer].o.linear->weight.narrow(1, head * kHeadDim, kHeadDim).zero_();
      CHECK(distance(answer_of(*model), answer_of(*masked)) < 1e-5);
      check_shapes(*model);
      CHECK(model->blocks()[0].sizes.num_heads == 1);
    }
}

TEST_CASE("an encoder without named heads answers as if their context were zero") {
  const auto model = encoder(4), masked = deep_copy(*model);
  compress::keep_heads(*model, {{1}, {0, 1, 2}, {0, 2}});
  for (const auto& [layer, head] : {std::pair<size_t, int64_t>{0, 0}, {0, 2}, {2, 1}})
    masked->blocks()[layer].o.linear->weight.narrow(1, head * kHeadDim, kHeadDim).zero_();
  CHECK(distance(answer_of(*model), answer_of(*masked)) < 1e-5);
  check_shapes(*model);
}

TEST_CASE("without some hidden units an encoder answers as if they were zero") {
  using compress::RowCriterion;
  SilentJob job;
  for (const auto criterion : {RowCriterion::l1, RowCriterion::activation, RowCriterion::taylor})
    for (uint64_t seed = 1; seed <= 3; seed++) {
      CAPTURE(seed);
      const auto model = encoder(seed), masked = deep_copy(*model);
      const auto pruned =
          compress::prune_rows(*model, {criterion, {.keep = {5, kHidden, 1}}}, rows_of(*model, seed), job);
      const auto blocks = masked->blocks();
      for (size_t layer = 0; layer < blocks.size(); layer++)
        for (int64_t row = 0; row < kHidden; row++)
          if (!has(pruned.kept[layer], row)) blocks[layer].narrow.linear->weight.select(1, row).zero_();
      CHECK(distance(answer_of(*model), answer_of(*masked)) < 1e-5);
      check_shapes(*model);
      CHECK(model->blocks()[2].sizes.intermediate_size == 1);
    }
}

TEST_CASE("the score of an encoder's head is the derivative of its loss by a factor in front of it") {
  SilentJob job;
  const auto model = encoder(4);
  to_double(*model);
  auto batch = masked_batch(4);
  batch.segments_BT = batch.segments_BT.clamp_max(0);  // of one document a row
  const auto scores = compress::head_scores(*model, compress::HeadCriterion::taylor,
                                            calibration_rows(*model, {batch}, "masked"), job);
  const auto loss_of_row = [&](int64_t row) {
    const at::NoGradGuard no_grad;
    const auto part = [&](const at::Tensor& t) { return t.slice(0, row, row + 1); };
    const train::Batch one = {part(batch.ids_BT), part(batch.labels_BT), part(batch.segments_BT)};
    return train::make_loss({"masked"}, *model)->sum(one, nullptr).sum.item<double>();
  };
  const auto blocks = model->blocks();
  for (size_t layer = 0; layer < blocks.size(); layer++) {
    std::vector<double> expected(3, 0);
    double squares = 0;
    for (int64_t head = 0; head < 3; head++) {
      const auto columns = blocks[layer].o.linear->weight.narrow(1, head * kHeadDim, kHeadDim);
      const auto whole = columns.clone();
      const auto at_factor = [&](int64_t row, double factor) {
        columns.copy_(whole * factor);
        const double loss = loss_of_row(row);
        columns.copy_(whole);
        return loss;
      };
      const double step = 1e-5;
      auto& sum = expected[static_cast<size_t>(head)];
      for (int64_t row = 0; row < batch.ids_BT.size(0); row++)
        sum += std::abs(at_factor(row, 1 + step) - at_factor(row, 1 - step)) / (2 * step);
      squares += sum * sum;
    }
    for (size_t head = 0; head < 3; head++) {
      CAPTURE(layer);
      CAPTURE(head);
      CHECK(scores[layer][head] == doctest::Approx(expected[head] / std::sqrt(squares)).epsilon(1e-4));
    }
  }
}

TEST_CASE("without a layer, the others of an encoder run on what the one before it gives") {
  SilentJob job;
  const auto model = encoder(6);
  const auto batch = masked_batch(77);
  const at::NoGradGuard no_grad;
  auto x_BTD = model->embed(batch.rows());
  for (const size_t i : {size_t{0}, size_t{2}}) x_BTD = model->run_block(i, x_BTD, batch.rows(), nullptr);
  model->keep_blocks({0, 2});
  CHECK(model->hidden_packed(batch.rows()).equal(x_BTD));
}
