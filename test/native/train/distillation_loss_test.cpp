// Laws of distillation as a training sees it. test/native/kernels/linear_distillation_test.cpp has those of
// its logits, test/parity/distil.test.mjs compares whole updates with torch.
#include "train/distillation_loss.h"

#include <unistd.h>

#include <filesystem>

#include "core/error.h"
#include "doctest.h"
#include "models/tiny_decoder.h"
#include "models/tiny_encoder.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

// Of another width and depth than the tiny student.
std::shared_ptr<models::Decoder> wide_teacher(int64_t vocab_size = 50) {
  auto spec = tiny_spec();
  spec.hidden_size = 32;
  spec.vocab_size = vocab_size;
  spec.layers.push_back(spec.layers[0]);
  return tiny_decoder(spec, /*seed=*/11);
}

std::shared_ptr<models::TextEncoder> wide_encoder(int64_t vocab_size = 50) {
  auto spec = tiny_encoder_spec();
  spec.hidden_size = 32;
  spec.vocab_size = vocab_size;
  spec.layers.push_back(spec.layers[0]);
  for (auto& layer : spec.layers) layer.num_heads = layer.num_kv_heads = 4;
  return tiny_encoder(spec, /*seed=*/11);
}

const std::vector<train::LayerPair> kPairs = {{0, 0}, {1, 2}, {2, 3}};

train::TrainerOptions learning_from(std::shared_ptr<const models::Model> teacher, double alpha = 0.5,
                                    std::vector<train::LayerPair> layers = {}) {
  auto options = kOptions;
  options.loss.kind = "distillation";
  options.loss.distillation.teacher = std::move(teacher);
  options.loss.distillation.mix = {.temperature = 2, .alpha = alpha};
  options.loss.distillation.hidden = {std::move(layers), 0.7, 0.9, 3};
  return options;
}

std::vector<at::Tensor> copies(const models::Model& model) {
  std::vector<at::Tensor> all;
  for (const auto& parameter : model.parameters()) all.push_back(parameter.tensor->detach().clone());
  return all;
}

}  // namespace

TEST_CASE("hidden states behind blocks are those of blocks run one by one, and the last that of the whole") {
  const auto model = tiny_decoder();
  const auto batch = packed_batch(1);
  const auto rows = batch.rows();
  const at::NoGradGuard no_grad;
  const auto states = model->hidden_states(rows, {0, 2, 1, 2});
  auto x_BTD = model->embed(rows);
  CHECK(states.behind_BTD[0].equal(x_BTD));
  for (size_t i = 0; i < 2; i++) {
    x_BTD = model->run_block(i, x_BTD, rows, nullptr);
    CHECK(at::allclose(states.behind_BTD[i == 0 ? 2 : 1], x_BTD, 1e-6, 1e-6));
  }
  CHECK(states.behind_BTD[3].equal(states.behind_BTD[1]));
  CHECK(at::allclose(states.last_BTD, model->hidden_packed(batch.rows()), 1e-6, 1e-6));
}

TEST_CASE("from itself a model learns nothing") {
  auto student = tiny_decoder();
  auto options = learning_from(tiny_decoder(), 1, {{1, 1}, {2, 2}});
  options.loss.distillation.hidden.cosine = 0;
  train::Trainer trainer(student, options);
  SilentJob job;
  const auto result = trainer.step({packed_batch(2)}, {.lr = 0.1}, job);
  CHECK(result.loss == 0);
  CHECK(result.grad_norm == 0);
  CHECK(result.figures.at("divergence") == 0);
  CHECK(result.figures.at("hidden") == 0);
  CHECK(result.figures.at("nll") > 0);
}

TEST_CASE("without a share of the teacher updates are those of the language loss, to the bit") {
  train::Trainer taught(tiny_decoder(), learning_from(wide_teacher(), 0)), plain(tiny_decoder(), kOptions);
  SilentJob job;
  for (int64_t step = 0; step < 3; step++) {
    const auto batch = packed_batch(10 + step);
    const auto a = taught.step({batch}, {.lr = 0.01}, job), b = plain.step({batch}, {.lr = 0.01}, job);
    CHECK(a.loss == b.loss);
    CHECK(a.grad_norm == b.grad_norm);
  }
  CHECK(all_weights(taught).equal(all_weights(plain)));
}

TEST_CASE("how a batch is cut into micro-batches changes neither loss nor gradients, hidden states matched") {
  const auto batch = packed_batch(4);
  train::Trainer trainer(tiny_decoder(), learning_from(wide_teacher(), 0.5, kPairs));
  SilentJob job;
  const auto whole = trainer.gradients({batch}, job);
  const auto parts = trainer.gradients({row_of(batch, 0), row_of(batch, 1)}, job);
  for (size_t i = 0; i < whole.size(); i++) {
    CAPTURE(whole[i].first);
    CHECK(at::allclose(whole[i].second, parts[i].second, 1e-4, 1e-6));
  }
}

TEST_CASE("the teacher never changes, and its student comes nearer to it") {
  const auto teacher = wide_teacher();
  const auto before = copies(*teacher);
  train::Trainer trainer(tiny_decoder(), learning_from(teacher, 1, kPairs));
  SilentJob job;
  const auto batch = packed_batch(5);
  const auto first = trainer.step({batch}, {.lr = 0.01}, job);
  auto last = first;
  for (int64_t step = 1; step < 40; step++) last = trainer.step({batch}, {.lr = 0.01, .step = step}, job);
  CHECK(last.figures.at("divergence") < first.figures.at("divergence") / 3);
  CHECK(last.figures.at("hidden") < first.figures.at("hidden"));
  const auto after = copies(*teacher);
  for (size_t i = 0; i < before.size(); i++) {
    CHECK(after[i].equal(before[i]));
    CHECK_FALSE(teacher->parameters()[i].tensor->grad().defined());
  }
}

TEST_CASE("projections are trained and go through a checkpoint, and are no part of the model") {
  const auto options = learning_from(wide_teacher(), 0.5, kPairs);
  train::Trainer whole(tiny_decoder(), options), stopped(tiny_decoder(), options);
  SilentJob job;
  const auto path = std::filesystem::temp_directory_path() / ("distillation-" + std::to_string(getpid()));
  const auto step = [&](train::Trainer& trainer, int64_t number) {
    trainer.step({packed_batch(20 + number)}, {.lr = 0.01, .step = number}, job);
  };
  for (int64_t i = 0; i < 4; i++) step(whole, i);
  for (int64_t i = 0; i < 2; i++) step(stopped, i);
  stopped.save_state(path.string(), job);
  train::Trainer resumed(tiny_decoder(), options);
  resumed.load_state(path.string(), job);
  std::filesystem::remove(path);
  for (int64_t i = 2; i < 4; i++) step(resumed, i);
  const auto expected = whole.gradients({packed_batch(30)}, job);
  const auto received = resumed.gradients({packed_batch(30)}, job);
  size_t projections = 0;
  for (size_t i = 0; i < expected.size(); i++) {
    CHECK(received[i].second.equal(expected[i].second));
    if (!expected[i].first.starts_with("distillation.projections.")) continue;
    projections++;
    CHECK(received[i].second.abs().max().item<double>() > 0);
  }
  CHECK(projections == kPairs.size());
  CHECK(expected.size() == resumed.model().parameters().size() + projections);
}

TEST_CASE("recomputed blocks change no bit, hidden states matched") {
  auto options = learning_from(wide_teacher(), 0.5, kPairs);
  train::Trainer kept(tiny_decoder(), options);
  options.recompute_blocks = true;
  train::Trainer recomputed(tiny_decoder(), options);
  SilentJob job;
  const auto a = kept.gradients({packed_batch(6)}, job), b = recomputed.gradients({packed_batch(6)}, job);
  for (size_t i = 0; i < a.size(); i++) CHECK(a[i].second.equal(b[i].second));
}

TEST_CASE("a teacher whose table has more rows teaches by the rows that both have") {
  const auto padded = wide_teacher(64);
  auto cut = wide_teacher(64);
  for (auto& parameter : cut->parameters())
    if (parameter.shape[0] == 64) parameter.tensor->slice(0, 50).zero_();
  const auto batch = packed_batch(7);
  const train::Trainer a(tiny_decoder(), learning_from(padded)), b(tiny_decoder(), learning_from(cut));
  CHECK(a.evaluate(batch).sum == b.evaluate(batch).sum);
}

TEST_CASE("a student whose table has more rows learns by the rows that both have") {
  auto spec = tiny_spec();
  spec.vocab_size = 64;
  const auto padded = tiny_decoder(spec), cut = tiny_decoder(spec);
  for (auto& parameter : cut->parameters())
    if (parameter.shape[0] == 64) parameter.tensor->slice(0, 50).zero_();
  const auto batch = packed_batch(7);
  const train::Trainer a(padded, learning_from(wide_teacher())), b(cut, learning_from(wide_teacher()));
  CHECK(a.evaluate(batch).sum == b.evaluate(batch).sum);
}

TEST_CASE("the distance of hidden states is the mean over the pairs of layers") {
  SilentJob job;
  const auto hidden = [&](std::vector<train::LayerPair> pairs) {
    train::Trainer trainer(tiny_decoder(),
                           learning_from(tiny_decoder(tiny_spec(), 11), 0.5, std::move(pairs)));
    return trainer.step({packed_batch(8)}, {.lr = 0.01}, job).figures.at("hidden");
  };
  const double one = hidden({{1, 1}}), other = hidden({{2, 1}});
  CHECK(std::abs(one - other) > 0.01 * one);
  CHECK(hidden({{1, 1}, {2, 1}, {2, 1}}) == doctest::Approx((one + 2 * other) / 3).epsilon(1e-5));
}

TEST_CASE("layers that are not there, and a missing teacher, are refused") {
  CHECK_THROWS_AS(train::Trainer(tiny_decoder(), learning_from(wide_teacher(), 1, {{3, 3}})), Error);
  CHECK_THROWS_AS(train::Trainer(tiny_decoder(), learning_from(wide_teacher(), 1, {{2, 4}})), Error);
  CHECK_THROWS_AS(train::Trainer(tiny_decoder(), learning_from(nullptr)), Error);
}

TEST_CASE("from itself an encoder learns nothing of its hidden tokens") {
  auto options = learning_from(tiny_encoder(), 1, {{1, 1}, {2, 2}});
  options.loss.distillation.hidden.cosine = 0;
  train::Trainer trainer(tiny_encoder(), options);
  SilentJob job;
  const auto result = trainer.step({masked_batch(2)}, {.lr = 0.1}, job);
  CHECK(result.loss == 0);
  CHECK(result.grad_norm == 0);
  CHECK(result.figures.at("nll") > 0);
}

TEST_CASE("without a share of the teacher an encoder's updates are those of the masked loss, to the bit") {
  auto masked = kOptions;
  masked.loss.kind = "masked";
  train::Trainer taught(tiny_encoder(), learning_from(wide_encoder(), 0)), plain(tiny_encoder(), masked);
  SilentJob job;
  for (int64_t step = 0; step < 3; step++) {
    const auto batch = masked_batch(10 + step);
    const auto a = taught.step({batch}, {.lr = 0.01}, job), b = plain.step({batch}, {.lr = 0.01}, job);
    CHECK(a.loss == b.loss);
    CHECK(a.grad_norm == b.grad_norm);
  }
  CHECK(all_weights(taught).equal(all_weights(plain)));
}

TEST_CASE("the divergence of an encoder is that of whole logits at the hidden tokens, biases included") {
  const auto student = tiny_encoder(), teacher = wide_encoder(64);  // with more rows than the student has
  const auto batch = masked_batch(3);
  const auto options = learning_from(teacher, 1);
  const train::Trainer trainer(student, options);
  const at::NoGradGuard no_grad;
  const auto places = batch.labels_BT.ne(-100);
  const auto log_probs = [&](const models::TextEncoder& model) {
    const auto hidden_MD = model.hidden_packed(batch.rows()).index({places});
    return model.token_logits(hidden_MD).narrow(1, 0, 50).div(2).log_softmax(1);
  };
  const auto p = log_probs(*teacher), q = log_probs(*student);
  const double expected = p.exp().mul(p - q).sum().item<double>();
  const auto told = trainer.evaluate(batch);
  CHECK(told.count == places.sum().item<int64_t>());
  CHECK(told.figures.at("divergence") == doctest::Approx(expected).epsilon(1e-5));
  CHECK(told.sum == doctest::Approx(4 * expected).epsilon(1e-5));
}

TEST_CASE("recomputed blocks of an encoder change no bit, hidden states matched") {
  auto options = learning_from(wide_encoder(), 0.5, kPairs);
  train::Trainer kept(tiny_encoder(), options);
  options.recompute_blocks = true;
  train::Trainer recomputed(tiny_encoder(), options);
  SilentJob job;
  const auto a = kept.gradients({masked_batch(6)}, job), b = recomputed.gradients({masked_batch(6)}, job);
  for (size_t i = 0; i < a.size(); i++) {
    CAPTURE(a[i].first);
    CHECK(a[i].second.equal(b[i].second));
  }
}

TEST_CASE("a teacher of another kind, or without the head, is refused") {
  auto headless = tiny_encoder_spec();
  headless.head = models::EncoderHead::none;
  CHECK_THROWS_AS(train::Trainer(tiny_encoder(), learning_from(tiny_decoder())), Error);
  CHECK_THROWS_AS(train::Trainer(tiny_decoder(), learning_from(tiny_encoder())), Error);
  CHECK_THROWS_AS(train::Trainer(tiny_encoder(), learning_from(tiny_encoder(headless))), Error);
}
