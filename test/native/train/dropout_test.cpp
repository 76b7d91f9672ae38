// Dropout in the residual stream of an encoder: when, and that it is the same whenever it is asked for.
#include "doctest.h"
#include "kernels/aten.h"
#include "models/tiny_encoder.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

train::Trainer trainer_with(double dropout, bool recompute = false, uint64_t seed = 5) {
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

}  // namespace

TEST_CASE("an encoder learns with values dropped, by seed, step and micro-batch, and is measured without") {
  SilentJob job;
  const auto batch = masked_batch(1);
  auto plain = trainer_with(0), dropping = trainer_with(0.3);
  CHECK(plain.evaluate(batch).sum == dropping.evaluate(batch).sum);
  const double dense = plain.step({batch}, {.lr = 0.01, .step = 0}, job).loss;
  CHECK(dropping.step({batch}, {.lr = 0.01, .step = 0}, job).loss != dense);
  CHECK(weights_after(trainer_with(0.3), 3).equal(weights_after(trainer_with(0.3), 3)));
  CHECK(!weights_after(trainer_with(0.3), 3).equal(weights_after(trainer_with(0.3, false, 6), 3)));
  CHECK(trainer_with(0.3).step({batch}, {.lr = 0, .step = 1}, job).loss !=
        trainer_with(0.3).step({batch}, {.lr = 0, .step = 2}, job).loss);
}

TEST_CASE("blocks that are computed again drop what they dropped") {
  CHECK(weights_after(trainer_with(0.3, true), 3).equal(weights_after(trainer_with(0.3, false), 3)));
}

TEST_CASE("dropping keeps the mean of what the parts add: many draws come near the model without") {
  SilentJob job;
  const auto batch = masked_batch(3);
  double sum = 0;
  constexpr int kDraws = 400;
  auto trainer = trainer_with(0.02);
  for (int64_t step = 0; step < kDraws; step++)
    sum += trainer.step({batch}, {.lr = 0, .step = step}, job).loss;
  auto plain = trainer_with(0);
  const double dense = plain.step({batch}, {.lr = 0}, job).loss;
  CHECK(sum / kDraws == doctest::Approx(dense).epsilon(0.02));
}
