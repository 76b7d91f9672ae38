// Laws of learning hidden tokens. test/golden/encoder.test.mjs compares losses and gradients with torch.
#include <cmath>

#include "core/error.h"

#include "doctest.h"
#include "kernels/aten.h"
#include "models/tiny_encoder.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

train::TrainerOptions masked_options(double z_loss = 0) {
  auto options = kOptions;
  options.loss.kind = "masked";
  options.loss.z_loss = z_loss;
  return options;
}

}  // namespace

TEST_CASE("the loss of hidden tokens is that of the logits at their own places") {
  const auto model = tiny_encoder();
  const auto batch = masked_batch(1);
  const auto logits = model->token_logits(model->hidden_packed(batch.rows()));
  const auto labels = batch.labels_BT.flatten();
  const auto expected = at::cross_entropy_loss(logits.flatten(0, 1), labels, {}, at::Reduction::Sum);
  const train::Trainer trainer(model, masked_options());
  const auto [sum, count, figures] = trainer.evaluate(batch);
  CHECK(count == labels.ne(-100).sum().item<int64_t>());
  CHECK(sum == doctest::Approx(expected.item<double>()).epsilon(1e-6));
}

TEST_CASE("hidden tokens are learnt, the bias of the head and the tied embedding among the rest") {
  train::Trainer trainer(tiny_encoder(), masked_options(1e-3));
  const auto batch = masked_batch(2);
  SilentJob job;
  const auto before = all_weights(trainer).clone();
  const auto first = trainer.step({batch}, {.lr = 0.01}, job);
  CHECK(first.figures.at("z_loss") > 0);
  CHECK(first.tokens == 7);
  double last = first.loss;
  for (int i = 0; i < 30; i++) last = trainer.step({batch}, {.lr = 0.01}, job).loss;
  CHECK(last < first.loss / 3);
  for (const auto& [name, gradient] : trainer.gradients({batch}, job)) {
    CAPTURE(name);
    CHECK(std::isfinite(gradient.norm().item<double>()));
  }
  CHECK((all_weights(trainer) - before).abs().max().item<double>() > 0);
}

TEST_CASE("hidden tokens that begin a row are told among the targets of an update") {
  train::Trainer trainer(tiny_encoder(), masked_options());
  auto batch = masked_batch(4);
  batch.labels_BT = batch.labels_BT.clone();
  batch.labels_BT.select(1, 0).fill_(2);
  SilentJob job;
  const auto count = trainer.evaluate(batch).count;
  CHECK(count == batch.labels_BT.ne(-100).sum().item<int64_t>());
  CHECK(trainer.step({batch}, {}, job).tokens == count);
}

TEST_CASE("what a class only stores is not trained") {
  auto spec = tiny_encoder_spec();
  spec.tied_head = false;
  spec.next_sentence = true;
  train::Trainer trainer(tiny_encoder(spec), masked_options());
  SilentJob job;
  for (const auto& [name, gradient] : trainer.gradients({masked_batch(3)}, job)) {
    CAPTURE(name);
    CHECK(name.find("seq_relationship") == std::string::npos);
    CHECK(name != "cls.predictions.bias");
  }
}

TEST_CASE("a decoder does not learn hidden tokens, nor an encoder the next one") {
  CHECK_THROWS_AS(train::Trainer(tiny_decoder(), masked_options()), Error);
  CHECK_THROWS_AS(train::Trainer(tiny_encoder(), kOptions), Error);
}
