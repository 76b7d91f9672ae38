// Laws of the losses over pairs. test/golden/preference compares their values and gradients with torch.
#include "train/preference_loss.h"

#include "core/error.h"
#include "kernels/aten.h"
#include "models/tiny_decoder.h"
#include "train/fixtures.h"
#include "train/loss.h"
#include "train/segment_log_probs.h"
#include "train/trainer.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;

namespace {

const char* const kKinds[] = {"sigmoid", "hinge", "ipo", "simpo", "orpo"};

train::Batch row_of(const train::Batch& batch, int64_t row) {
  const auto pick = [row](const at::Tensor& t) { return t.slice(0, row, row + 1); };
  return {pick(batch.ids_BT), pick(batch.labels_BT), pick(batch.segments_BT),
          batch.reference_S.slice(0, 2 * row, 2 * row + 2)};
}

at::Tensor said_by(const models::Decoder& model, const train::Batch& batch) {
  const at::NoGradGuard no_grad;
  return train::segment_log_probs(model, batch, nullptr).sums_S;
}

train::TrainerOptions loss_of(const std::string& kind) {
  train::TrainerOptions options;
  options.loss = {"preference", {kind, 0.5, 0, 0.3}};
  return options;
}

}  // namespace

TEST_CASE("how pairs are cut into micro-batches changes neither loss, figures nor gradient") {
  const auto batch = test::random_pairs(3, 1);
  SilentJob job;
  for (const std::string kind : kKinds) {
    CAPTURE(kind);
    train::Trainer whole(test::tiny_decoder(), loss_of(kind)), parts(test::tiny_decoder(), loss_of(kind));
    const auto a = whole.step({batch}, {}, job);
    const auto b = parts.step({row_of(batch, 0), row_of(batch, 1), row_of(batch, 2)}, {}, job);
    CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-6));
    CHECK(a.grad_norm == doctest::Approx(b.grad_norm).epsilon(1e-5));
    REQUIRE(a.figures.size() == 6);
    for (const auto& [name, value] : a.figures)
      CHECK(value == doctest::Approx(b.figures.at(name)).epsilon(1e-6));
  }
}

TEST_CASE("training on pairs parts the answers, whichever the loss") {
  auto batch = test::random_pairs(2, 2);
  SilentJob job;
  for (const std::string kind : kKinds) {
    CAPTURE(kind);
    const auto model = test::tiny_decoder();
    train::Trainer trainer(model, loss_of(kind));
    batch.reference_S = said_by(*model, batch);
    const auto first = trainer.step({batch}, {.lr = 0.003}, job);
    for (int i = 0; i < 20; i++) trainer.step({batch}, {.lr = 0.003}, job);
    const auto last = trainer.evaluate(batch);
    CHECK(last.count == 2);
    CHECK(last.sum / 2 < first.loss);
    CHECK(last.figures.at("margin") / 2 > first.figures.at("margin"));
    CHECK(last.figures.at("accuracy") == 2);
  }
}

TEST_CASE("each document's log-probability is the same in whatever rows it stands") {
  const auto batch = test::random_pairs(2, 3);
  const auto model = test::tiny_decoder();
  const at::NoGradGuard no_grad;
  const auto together = train::segment_log_probs(*model, batch, nullptr);
  CHECK(together.counts_S.equal(at::tensor({2, 4, 2, 4}, at::kLong)));
  for (int64_t row = 0; row < 2; row++) {
    const auto alone = train::segment_log_probs(*model, row_of(batch, row), nullptr);
    CHECK(at::allclose(alone.sums_S, together.sums_S.slice(0, 2 * row, 2 * row + 2), 1e-5, 1e-5));
  }
}

TEST_CASE("with the model itself as reference, DPO begins at log 2 and the margin at 0") {
  auto batch = test::random_pairs(2, 4);
  const auto model = test::tiny_decoder();
  train::Trainer trainer(model, loss_of("sigmoid"));
  batch.reference_S = said_by(*model, batch);
  const auto begun = trainer.evaluate(batch);
  CHECK(begun.sum / 2 == doctest::Approx(std::log(2.0)).epsilon(1e-6));
  CHECK(begun.figures.at("margin") == doctest::Approx(0).epsilon(1e-5));
}

TEST_CASE("smoothing by half makes both answers equal") {
  const auto number = [](double value) { return at::full({1}, value, at::kDouble); };
  const train::AnswerLogProbs a = {number(-3), number(-4), number(2)},
                              b = {number(-9), number(-5), number(3)};
  const train::PreferenceOptions half = {"sigmoid", 0.5, 0.5, 0};
  const auto ab = train::preference_losses(a, b, half), ba = train::preference_losses(b, a, half);
  CHECK(ab.losses.item<double>() == doctest::Approx(ba.losses.item<double>()));
}

TEST_CASE("orpo of an answer that is certain is finite, and so is its gradient") {
  const train::PreferenceOptions orpo = {"orpo", 0.1, 0, 0};
  const auto sum = [](double value) { return at::full({1}, value, at::kDouble).set_requires_grad(true); };
  for (const auto& [chosen, rejected] : {std::pair(0.0, -9.0), {-9.0, 0.0}, {0.0, 0.0}, {-1e-20, -9.0}}) {
    CAPTURE(chosen);
    CAPTURE(rejected);
    const auto length = at::full({1}, 3.0, at::kDouble);
    const train::AnswerLogProbs a = {sum(chosen), {}, length}, b = {sum(rejected), {}, length};
    const auto losses = train::preference_losses(a, b, orpo).losses;
    losses.sum().backward();
    for (const auto& value : {losses, a.policy.grad(), b.policy.grad()})
      CHECK(value.isfinite().all().item<bool>());
  }
}

TEST_CASE("rows that do not hold pairs are refused, and losses that are not known") {
  SilentJob job;
  auto odd = test::random_pairs(1, 5);
  odd.segments_BT = odd.segments_BT.clone().masked_fill(odd.segments_BT.eq(1), -1);
  auto silent = test::random_pairs(1, 6);
  silent.labels_BT = silent.labels_BT.masked_fill(silent.segments_BT.eq(1), -100);
  auto lone = test::random_pairs(1, 7);
  lone.reference_S = at::Tensor();
  train::Trainer trainer(test::tiny_decoder(), loss_of("sigmoid"));
  for (const auto& batch : {odd, silent, lone}) CHECK_THROWS_AS(trainer.step({batch}, {}, job), Error);
  CHECK_THROWS_AS(train::make_loss(loss_of("best").loss, *test::tiny_decoder()), Error);
}
