// Dropout of an encoder, in all three places: when, and that it is the same whenever it is asked for.
#include "doctest.h"
#include "kernels/aten.h"
#include "models/tiny_encoder.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

train::Trainer trainer_with(const nn::EncoderDropout& dropout, bool recompute = false, uint64_t seed = 5) {
  auto options = kOptions;
  options.loss.kind = "masked";
  options.seed = seed;
  options.recompute_blocks = recompute;
  options.dropout = dropout;
  return train::Trainer(tiny_encoder(), options);
}

at::Tensor weights_after(train::Trainer trainer, int steps) {
  SilentJob job;
  for (int64_t step = 0; step < steps; step++)
    trainer.step({masked_batch(1), masked_batch(2)}, {.lr = 0.01, .step = step}, job);
  return all_weights(trainer).clone();
}

/// One place alone, each in turn.
std::vector<nn::EncoderDropout> each_at(double rate) {
  return {{.residual = rate}, {.attention = rate}, {.activation = rate}};
}

}  // namespace

TEST_CASE("an encoder learns with values dropped, by seed, step and micro-batch, and is measured without") {
  SilentJob job;
  const auto batch = masked_batch(1);
  auto plain = trainer_with({});
  const double measured = plain.evaluate(batch).sum;
  const double dense = plain.step({batch}, {.lr = 0.01, .step = 0}, job).loss;
  for (const auto& rates : each_at(0.3)) {
    CAPTURE(rates.attention);
    CAPTURE(rates.activation);
    auto dropping = trainer_with(rates);
    CHECK(dropping.evaluate(batch).sum == measured);
    CHECK(dropping.step({batch}, {.lr = 0.01, .step = 0}, job).loss != dense);
    CHECK(weights_after(trainer_with(rates), 3).equal(weights_after(trainer_with(rates), 3)));
    CHECK(!weights_after(trainer_with(rates), 3).equal(weights_after(trainer_with(rates, false, 6), 3)));
    CHECK(trainer_with(rates).step({batch}, {.lr = 0, .step = 1}, job).loss !=
          trainer_with(rates).step({batch}, {.lr = 0, .step = 2}, job).loss);
  }
}

TEST_CASE("blocks that are computed again drop what they dropped") {
  const nn::EncoderDropout all{.residual = 0.3, .attention = 0.3, .activation = 0.3};
  CHECK(weights_after(trainer_with(all, true), 3).equal(weights_after(trainer_with(all, false), 3)));
}

TEST_CASE("dropping keeps the mean of what is dropped: many draws come near the model without") {
  SilentJob job;
  const auto batch = masked_batch(3);
  auto plain = trainer_with({});
  const double dense = plain.step({batch}, {.lr = 0}, job).loss;
  for (const auto& rates : each_at(0.02)) {
    double sum = 0;
    constexpr int kDraws = 400;
    auto trainer = trainer_with(rates);
    for (int64_t step = 0; step < kDraws; step++)
      sum += trainer.step({batch}, {.lr = 0, .step = step}, job).loss;
    CHECK(sum / kDraws == doctest::Approx(dense).epsilon(0.02));
  }
}
