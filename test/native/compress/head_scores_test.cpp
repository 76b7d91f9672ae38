// What heads are worth: a score is the derivative of the loss by a factor in front of the head, or the size
// of what would leave with it.
#include <cmath>

#include "cancels_after.h"
#include "compress/heads.h"
#include "compress/pruning_models.h"
#include "core/error.h"
#include "doctest.h"
#include "kernels/autograd.h"

using namespace tongueforge;
using namespace tongueforge::test;
using compress::HeadCriterion;
using compress::Scores;

namespace {

constexpr int64_t kHeadDim = 8;  // of tiny_spec
constexpr HeadCriterion kCriteria[] = {HeadCriterion::l1, HeadCriterion::data, HeadCriterion::taylor};

void close(const Scores& a, const Scores& b, double relative) {
  REQUIRE(a.size() == b.size());
  for (size_t layer = 0; layer < a.size(); layer++) {
    REQUIRE(a[layer].size() == b[layer].size());
    for (size_t unit = 0; unit < a[layer].size(); unit++) {
      CAPTURE(layer);
      CAPTURE(unit);
      CHECK(a[layer][unit] == doctest::Approx(b[layer][unit]).epsilon(relative));
    }
  }
}

// Each layer's scores divided by their length.
Scores of_length_one(Scores scores) {
  for (auto& layer : scores) {
    double squares = 0;
    for (const double score : layer) squares += score * score;
    for (double& score : layer) score /= std::sqrt(squares);
  }
  return scores;
}

// One row of one document, so that each head has one number: <c, dL/dc> over all places.
train::Batch one_document(uint64_t seed) {
  auto random = generator(seed);
  const auto ids = at::randint(0, 50, {1, 10}, random, at::kLong);
  auto labels = ids.clone();
  labels[0][0] = -100;
  return {ids, labels, at::zeros_like(ids)};
}

double loss_of(const models::Model& model, const train::Batch& batch) {
  const at::NoGradGuard no_grad;
  return train::make_loss({}, model)->sum(batch, nullptr).sum.item<double>();
}

}  // namespace

TEST_CASE("a score is the derivative of the loss by a factor in front of the head") {
  SilentJob job;
  for (uint64_t seed = 1; seed <= 3; seed++) {
    CAPTURE(seed);
    const auto model = pruning_decoder(kPruningCases[2], seed);
    to_double(*model);
    const auto batch = one_document(seed);
    const auto scores =
        compress::head_scores(*model, HeadCriterion::taylor, calibration_rows(*model, {batch}), job);

    // <Wo_h, dL/dWo_h>, from a gradient of the weights
    Scores by_weights, by_differences;
    std::vector<at::Tensor> outputs;
    for (const auto& block : model->blocks())
      outputs.push_back(block.o.linear->weight.set_requires_grad(true));
    const auto loss = train::make_loss({}, *model)->sum(batch, nullptr).sum;
    const auto gradients = torch::autograd::grad({loss}, outputs);
    const at::NoGradGuard no_grad;
    for (size_t layer = 0; layer < outputs.size(); layer++) {
      outputs[layer].set_requires_grad(false);
      const auto products =
          (outputs[layer] * gradients[layer]).unflatten(1, {-1, kHeadDim}).sum(at::IntArrayRef{0, 2}).abs();
      by_weights.emplace_back(products.data_ptr<double>(), products.data_ptr<double>() + products.numel());
      by_differences.emplace_back();
      for (int64_t head = 0; head < products.numel(); head++) {
        const auto columns = outputs[layer].narrow(1, head * kHeadDim, kHeadDim);
        const auto at_factor = [&](double factor) {
          const auto whole = columns.clone();
          columns.mul_(factor);
          const double value = loss_of(*model, batch);
          columns.copy_(whole);
          return value;
        };
        const double step = 1e-5;
        by_differences.back().push_back(std::abs(at_factor(1 + step) - at_factor(1 - step)) / (2 * step));
      }
    }
    close(scores, of_length_one(by_weights), 1e-9);
    close(scores, of_length_one(by_differences), 1e-4);
  }
}

TEST_CASE("by data each place counts by itself: |<c, dL/dc>| there, summed over the places") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[2], 3);
  to_double(*model);
  const auto batch = calibration_batch(3);
  const auto scores =
      compress::head_scores(*model, HeadCriterion::data, calibration_rows(*model, {batch}), job);
  const auto blocks = model->blocks();
  std::vector<at::Tensor> contexts(blocks.size());
  std::vector<nn::ObserverScope> scopes;
  for (size_t layer = 0; layer < blocks.size(); layer++)
    scopes.emplace_back(*blocks[layer].o.linear,
                        [&contexts, layer](const at::Tensor& c_BTN) { contexts[layer] = c_BTN; });
  blocks[0].v.linear->weight.set_requires_grad(true);
  const auto gradients =
      torch::autograd::grad({train::make_loss({}, *model)->sum(batch, nullptr).sum}, contexts);
  Scores expected;
  for (size_t layer = 0; layer < blocks.size(); layer++) {
    expected.emplace_back();
    for (int64_t head = 0; head < blocks[layer].sizes.num_heads; head++) {
      const auto of_head = [&](const at::Tensor& t) {
        return t.detach().narrow(2, head * kHeadDim, kHeadDim);
      };
      const auto places_BT = (of_head(contexts[layer]) * of_head(gradients[layer])).sum(2);
      expected.back().push_back(places_BT.abs().sum().item<double>());
    }
  }
  close(scores, of_length_one(expected), 1e-9);
}

TEST_CASE("documents count the same however they are packed and batched") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[2], 4);
  to_double(*model);
  const auto batch = calibration_batch(9);
  const auto part = [&](int64_t row, int64_t begin, int64_t end) {
    const auto pick = [&](const at::Tensor& t) { return t.slice(0, row, row + 1).slice(1, begin, end); };
    return train::Batch{pick(batch.ids_BT), pick(batch.labels_BT), at::zeros({1, end - begin}, at::kLong)};
  };
  const std::vector<train::Batch> alone = {part(1, 7, 12), part(0, 0, 5), part(1, 0, 7), part(0, 5, 10)};
  for (const auto criterion : {HeadCriterion::data, HeadCriterion::taylor})
    close(compress::head_scores(*model, criterion, calibration_rows(*model, {batch}), job),
          compress::head_scores(*model, criterion, calibration_rows(*model, alone), job), 1e-9);
}

TEST_CASE("where groups stand changes nothing but their numbers: scores follow a permutation") {
  SilentJob job;
  for (const auto criterion : kCriteria) {
    const auto model = pruning_decoder(kPruningCases[1], 6);  // groups of two
    to_double(*model);
    const auto scores = compress::head_scores(*model, criterion, calibration_rows(*model, 6), job);
    const auto block = model->blocks()[1];
    const auto heads = at::tensor({4, 5, 0, 1, 2, 3}, at::kLong), groups = at::tensor({2, 0, 1}, at::kLong);
    const auto permute = [](at::Tensor& t, int64_t dim, const at::Tensor& order) {
      t = t.unflatten(dim, {-1, kHeadDim}).index_select(dim, order).flatten(dim, dim + 1);
    };
    for (auto* tensor : {&block.q.linear->weight, &block.q.linear->bias}) permute(*tensor, 0, heads);
    for (const auto* linear : {block.k.linear, block.v.linear}) {
      permute(const_cast<at::Tensor&>(linear->weight), 0, groups);
      permute(const_cast<at::Tensor&>(linear->bias), 0, groups);
    }
    permute(block.o.linear->weight, 1, heads);
    const auto permuted = compress::head_scores(*model, criterion, calibration_rows(*model, 6), job);
    Scores expected = scores;
    for (size_t i = 0; i < 6; i++)
      expected[1][i] = scores[1][static_cast<size_t>(heads[static_cast<int64_t>(i)].item<int64_t>())];
    close(permuted, expected, 1e-9);
  }
}

TEST_CASE("by magnitude a group weighs what would leave with it, but for the output's columns") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[1], 8);
  const auto scores = compress::head_scores(*model, HeadCriterion::l1, {}, job);
  const auto block = model->blocks()[2];
  const auto sum = [](const nn::Linear& linear, int64_t from, int64_t rows) {
    return (linear.weight.narrow(0, from, rows).abs().sum() + linear.bias.narrow(0, from, rows).abs().sum())
        .item<double>();
  };
  for (int64_t group = 0; group < 3; group++) {
    const double expected = sum(*block.q.linear, group * 16, 16) + sum(*block.k.linear, group * 8, 8) +
                            sum(*block.v.linear, group * 8, 8);
    const auto first = static_cast<size_t>(2 * group);
    CHECK(scores[2][first] + scores[2][first + 1] == doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("without calibration rows the criterion that needs none is named") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[0], 1);
  try {
    compress::head_scores(*model, HeadCriterion::data, {}, job);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_CALIBRATION");
    CHECK(error.message() == "Expected calibration rows, received none");
    CHECK(error.hint() ==
          "Name texts under calibration.data, or choose criterion: l1, which looks at weights alone.");
  }
}

TEST_CASE("after scoring nothing is recorded or watched any more, a cancelled job included") {
  CancelsAfter cancels(7);
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[0], 1);
  compress::head_scores(*model, HeadCriterion::data, calibration_rows(*model, 1), job);
  CHECK_THROWS_AS(compress::head_scores(*model, HeadCriterion::data, calibration_rows(*model, 1), cancels),
                  Cancelled);
  for (const auto& parameter : model->parameters()) CHECK_FALSE(parameter.tensor->requires_grad());
  for (const auto& block : model->blocks())
    for (const auto& [name, linear] : block.linears()) CHECK_FALSE(static_cast<bool>(linear->observer));
}

TEST_CASE("what was recorded before scoring still is") {
  SilentJob job;
  const auto model = pruning_decoder(kPruningCases[0], 1);
  for (const auto& parameter : model->parameters()) parameter.tensor->set_requires_grad(true);
  compress::head_scores(*model, HeadCriterion::taylor, calibration_rows(*model, 1), job);
  for (const auto& parameter : model->parameters()) {
    CAPTURE(parameter.name);
    CHECK(parameter.tensor->requires_grad());
    CHECK_FALSE(parameter.tensor->grad().defined());
  }
}
