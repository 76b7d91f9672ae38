// Laws of a training step. test/golden/training.test.mjs compares losses and gradients with torch.
#include "train/trainer.h"

#include <unistd.h>

#include <filesystem>
#include <limits>

#include "core/error.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "models/adapters.h"
#include "models/coming_tensors.h"
#include "models/tiny_decoder.h"
#include "models/zeros_execution.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;

TEST_CASE("how a batch is cut into micro-batches changes neither loss nor update") {
  const auto batch = random_batch(4, 10, 1);
  auto uneven = batch;
  uneven.labels_BT = batch.labels_BT.clone();
  uneven.labels_BT[2].slice(0, 3).fill_(
      -100);  // rows with unequal numbers of targets: a mean of means would differ
  train::Trainer whole(test::tiny_decoder(), kOptions), parts(test::tiny_decoder(), kOptions);
  SilentJob job;
  const auto a = whole.step({uneven}, {.lr = 0.01}, job);
  const auto b = parts.step({row_of(uneven, 0), row_of(uneven, 1), row_of(uneven, 2), row_of(uneven, 3)},
                            {.lr = 0.01}, job);
  CHECK(a.tokens == b.tokens);
  CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-6));
  CHECK(a.grad_norm == doctest::Approx(b.grad_norm).epsilon(1e-5));
  CHECK((all_weights(whole) - all_weights(parts)).abs().max().item<double>() < 1e-4);
}

TEST_CASE("the loss falls on a batch that is seen again, and evaluate agrees with the step") {
  train::Trainer trainer(test::tiny_decoder(), kOptions);
  const auto batch = random_batch(2, 12, 2);
  SilentJob job;
  const auto [nll, tokens, figures] = trainer.evaluate(batch);
  const auto first = trainer.step({batch}, {.lr = 0.01}, job);
  CHECK(first.loss == doctest::Approx(nll / static_cast<double>(tokens)).epsilon(1e-6));
  double last = first.loss;
  for (int i = 0; i < 30; i++) last = trainer.step({batch}, {.lr = 0.01}, job).loss;
  CHECK(last < first.loss / 3);
}

TEST_CASE("clipping scales the gradient to the limit and leaves smaller ones alone") {
  const auto batch = random_batch(2, 12, 3);
  SilentJob job;
  // With plain Adam the first step does not see the gradient's size: watch the second moment instead.
  const auto moment = [&](double clip) {
    train::Trainer trainer(test::tiny_decoder(), kOptions);
    const double norm = trainer.step({batch}, {.lr = 0, .clip = clip}, job).grad_norm;
    return std::pair(norm, trainer.gradients({batch}, job));
  };
  const double norm = moment(0).first;
  CHECK(moment(norm / 2).first == doctest::Approx(norm));  // reported before clipping
  train::Trainer clipped(test::tiny_decoder(), kOptions), free_run(test::tiny_decoder(), kOptions);
  clipped.step({batch}, {.lr = 0.01, .clip = 1e9}, job);
  free_run.step({batch}, {.lr = 0.01, .clip = 0}, job);
  CHECK(all_weights(clipped).equal(all_weights(free_run)));
}

TEST_CASE("norms and biases are not decayed unless asked") {
  const auto batch = random_batch(1, 4, 4);
  SilentJob job;
  for (const bool all : {false, true}) {
    auto options = kOptions;
    options.optimizer.weight_decay = 0.5;
    options.optimizer.decay_all = all;
    train::Trainer trainer(test::tiny_decoder(), options);
    const auto before = trainer.model().parameters()[1].tensor->clone();  // a norm: all ones
    trainer.step({batch}, {.lr = 1e-3}, job);
    const auto moved = (*trainer.model().parameters()[1].tensor - before).mean().item<double>();
    // Adam's first step is at most lr; decay adds lr * 0.5 downwards.
    CAPTURE(all);
    CHECK((moved < -3e-4) == all);
  }
}

TEST_CASE("a loss that is not finite leaves weights and moments as they were") {
  auto model = test::tiny_decoder();
  train::Trainer trainer(model, kOptions);
  SilentJob job;
  const auto batch = random_batch(1, 8, 5);
  trainer.step({batch}, {.lr = 0.01}, job);
  auto spoilt = *model->parameters()[0].tensor;
  const auto kept = spoilt.detach()[3][0].item<float>();
  {
    const at::NoGradGuard no_grad;
    spoilt[3][0] = std::numeric_limits<float>::quiet_NaN();
  }
  const auto before = all_weights(trainer).clone();
  auto poisoned = batch;
  poisoned.ids_BT = at::full_like(batch.ids_BT, 3);
  CHECK(trainer.step({poisoned}, {.lr = 0.01}, job).refused == "non_finite");
  CHECK(at::nan_to_num(all_weights(trainer)).equal(at::nan_to_num(before)));
  CHECK(std::isfinite(kept));
}

TEST_CASE("an update above a limit is refused before it is taken; at the limit it is taken") {
  SilentJob job;
  const auto batch = random_batch(2, 8, 11), other = random_batch(2, 8, 12);
  train::Trainer probe(test::tiny_decoder(), kOptions), never(test::tiny_decoder(), kOptions);
  train::Trainer trainer(test::tiny_decoder(), kOptions);
  const auto seen = probe.step({batch}, {.lr = 0.01}, job);
  CHECK(seen.refused.empty());
  const auto before = all_weights(trainer).clone();
  const auto refused = [&](double loss_limit, double grad_norm_limit) {
    return trainer
        .step({batch}, {.lr = 0.01, .loss_limit = loss_limit, .grad_norm_limit = grad_norm_limit}, job)
        .refused;
  };
  CHECK(refused(std::nextafter(seen.loss, 0), seen.grad_norm) == "spike");
  CHECK(refused(seen.loss, std::nextafter(seen.grad_norm, 0)) == "spike");
  CHECK(all_weights(trainer).equal(before));
  CHECK(refused(seen.loss, seen.grad_norm) == "");
  // Moments too are those of a trainer that was never refused.
  never.step({batch}, {.lr = 0.01}, job);
  never.step({other}, {.lr = 0.01}, job);
  trainer.step({other}, {.lr = 0.01}, job);
  CHECK(all_weights(trainer).equal(all_weights(never)));
}

TEST_CASE("z-loss is made small beside the loss, and told apart from it") {
  SilentJob job;
  const auto batch = random_batch(2, 12, 13);
  const double coefficient = 0.02;
  auto options = kOptions;
  options.loss.z_loss = coefficient;
  train::Trainer plain(test::tiny_decoder(), kOptions), with(test::tiny_decoder(), options);
  const auto mean_square = [&batch](const train::Trainer& trainer) {
    const at::NoGradGuard no_grad;
    const auto hidden_BTD = trainer.model().hidden_packed(batch.rows());
    const auto logits_BTV = at::linear(hidden_BTD, models::as_decoder(trainer.model()).head());
    return logits_BTV.slice(1, 0, -1).to(at::kDouble).logsumexp(-1).square().mean().item<double>();
  };
  const double expected = coefficient * mean_square(plain);
  const auto held_out = with.evaluate(batch), same = plain.evaluate(batch);
  CHECK(held_out.sum == same.sum);
  const auto a = plain.step({batch}, {.lr = 0.01}, job), b = with.step({batch}, {.lr = 0.01}, job);
  CHECK(a.figures.empty());
  CHECK(a.loss == b.loss);
  CHECK(b.figures.at("z_loss") == doctest::Approx(expected).epsilon(1e-5));
  CHECK(b.grad_norm != a.grad_norm);
  for (int i = 0; i < 30; i++) {
    plain.step({batch}, {.lr = 0.01}, job);
    with.step({batch}, {.lr = 0.01}, job);
  }
  CHECK(mean_square(with) < mean_square(plain) / 2);
}

TEST_CASE("in bfloat16 the loss follows float32, and updates too small for 16 bits add up") {
  auto options = kOptions;
  options.compute = at::kBFloat16;
  train::Trainer half(test::tiny_decoder(), options), full(test::tiny_decoder(), kOptions);
  const auto batch = random_batch(2, 12, 6);
  SilentJob job;
  CHECK((half.model().dtype() == at::kBFloat16));
  for (int i = 0; i < 20; i++) {
    const double expected = full.step({batch}, {.lr = 0.005}, job).loss;
    CHECK(half.step({batch}, {.lr = 0.005}, job).loss == doctest::Approx(expected).epsilon(0.05));
  }
  // A bfloat16 near 1 moves in steps of 2^-8 or 2^-7: one update of 1e-4 is lost in it, a hundred are not.
  const auto norm_gain = [&half] { return half.model().parameters()[1].tensor->detach().to(at::kFloat); };
  const auto before = norm_gain();
  half.step({batch}, {.lr = 1e-4}, job);
  CHECK((norm_gain() - before).abs().max().item<double>() <= 0.0079);
  for (int i = 0; i < 100; i++) half.step({batch}, {.lr = 1e-4}, job);
  CHECK((norm_gain() - before).abs().mean().item<double>() > 2e-3);
}

TEST_CASE("batches of sizes or ids that do not fit are refused") {
  const std::vector<int32_t> ids = {1, 2, 3, 4}, labels = {-100, 2, 3, 4}, segments = {0, 0, 0, 0};
  CHECK_NOTHROW(train::make_batch(ids, labels, segments, 2, 50));
  CHECK_THROWS_AS(train::make_batch(ids, labels, segments, 3, 50), Error);
  CHECK_THROWS_AS(train::make_batch(ids, labels, {0, 0}, 2, 50), Error);
  CHECK_THROWS_AS(train::make_batch({1, 2, 3, 50}, labels, segments, 2, 50), Error);
  CHECK_THROWS_AS(train::make_batch(ids, {-1, 2, 3, 4}, segments, 2, 50), Error);
}

TEST_CASE("utterances that do not fit their places or clusters are refused") {
  const std::vector<std::vector<float>> frames = {{1, 2, 3, 4, 5, 6}, {7, 8}};
  const std::vector<int32_t> labels = {0, -100, 4, 2, -100, -100}, segments = {0, 0, 0, 0, -1, -1},
                             hidden = {1, 0, 1, 1, 0, 0};
  const auto batch = train::make_sound_batch({frames, 2, hidden}, labels, segments, 5);
  CHECK(batch.sounds[0].sizes().vec() == std::vector<int64_t>{3, 2});
  CHECK(batch.sounds[1][0][1].item<float>() == 8);
  CHECK(batch.rows().places() == 6);
  CHECK(batch.hidden_BT.sum().item<int64_t>() == 3);
  CHECK(train::Targets::hidden(batch).count() == 3);
  CHECK_THROWS_AS(train::make_sound_batch({frames, 4, hidden}, labels, segments, 5), Error);
  CHECK_THROWS_AS(train::make_sound_batch({frames, 2, {1}}, labels, segments, 5), Error);
  CHECK_THROWS_AS(train::make_sound_batch({frames, 2, hidden}, labels, {0, 0}, 5), Error);
  CHECK_THROWS_AS(train::make_sound_batch({frames, 2, hidden}, labels, segments, 4), Error);
}

TEST_CASE(
    "frozen parameters keep every bit and get no state; the others learn what they would have learned") {
  const auto batch = random_batch(2, 12, 6);
  SilentJob job;
  auto model = test::tiny_decoder();
  const auto before = model->parameters()[2].tensor->clone();
  const std::string frozen = model->parameters()[2].name;
  train::Trainer trainer(model, freezing({frozen}));
  train::Trainer whole(test::tiny_decoder(), kOptions);
  const auto all = whole.gradients({batch}, job);
  for (const auto& [name, gradient] : trainer.gradients({batch}, job)) {
    CHECK(name != frozen);
    for (const auto& [other, expected] : all)
      if (other == name) CHECK(gradient.allclose(expected, 1e-5, 1e-6));
  }
  for (int i = 0; i < 3; i++) trainer.step({batch}, {.lr = 0.01}, job);
  CHECK(model->parameters()[2].tensor->equal(before));
  train::FrozenNames everything;
  for (const auto& parameter : model->parameters()) everything.insert(parameter.name);
  CHECK_THROWS_AS(train::Trainer(model, freezing(everything)), Error);
}

TEST_CASE("adapters learn beside frozen weights; dropout is that of seed, step and micro-batch") {
  const auto batch = random_batch(2, 12, 7);
  SilentJob job;
  const auto losses = [&](double rate, uint64_t seed, int64_t first_step) {
    auto model = test::tiny_decoder();
    train::FrozenNames frozen;
    for (const auto& parameter : model->parameters()) frozen.insert(parameter.name);
    models::attach_adapters(*model, {{"model.layers.0.mlp.up_proj", 4, 2}}, rate, 1);
    // B is not zero: what is dropped shows in the first loss.
    for (const auto& parameter : models::adapter_parameters(*model)) parameter.tensor->fill_(0.1);
    train::Trainer trainer(model, freezing(frozen, seed));
    const auto before = all_weights(trainer).clone();
    std::vector<double> seen;
    for (int64_t i = 0; i < 5; i++)
      seen.push_back(trainer.step({batch}, {.lr = 0.03, .step = first_step + i}, job).loss);
    CHECK(all_weights(trainer).equal(before));
    CHECK(trainer.evaluate(batch).sum == trainer.evaluate(batch).sum);
    return seen;
  };
  const auto plain = losses(0, 1, 0);
  CHECK(plain.back() < plain.front());
  CHECK(losses(0, 2, 9) == plain);
  CHECK(losses(0.5, 1, 0) == losses(0.5, 1, 0));
  CHECK(losses(0.5, 1, 0)[0] != losses(0.5, 2, 0)[0]);
  CHECK(losses(0.5, 1, 0)[0] != losses(0.5, 1, 1)[0]);
  CHECK(losses(0.5, 1, 0)[0] != plain[0]);
}

TEST_CASE("every optimizer learns, and goes on from its saved state as if never stopped") {
  SilentJob job;
  const std::string path =
      (std::filesystem::temp_directory_path() / str("tongueforge_optimizer_", ::getpid(), ".safetensors"))
          .string();
  std::filesystem::remove(path);
  for (const auto& [kind, beta1] : {std::pair("adamw", 0.9), {"adafactor", 0.0}, {"adafactor", 0.9}}) {
    CAPTURE(kind);
    CAPTURE(beta1);
    auto options = kOptions;
    options.optimizer.kind = kind;
    options.optimizer.beta1 = beta1;
    train::Trainer whole(test::tiny_decoder(), options), stopped(test::tiny_decoder(), options);
    const auto first = whole.step({packed_batch(1)}, {.lr = 0.01, .clip = 1}, job);
    stopped.step({packed_batch(1)}, {.lr = 0.01, .clip = 1}, job);
    for (int i = 0; i < 2; i++)
      for (auto* trainer : {&whole, &stopped}) trainer->step({packed_batch(1)}, {.lr = 0.01, .clip = 1}, job);
    stopped.save_state(path, job);
    train::Trainer resumed(test::tiny_decoder(test::tiny_spec(), 99), options);
    resumed.load_state(path, job);
    train::StepResult last;
    for (int i = 0; i < 20; i++)
      for (auto* trainer : {&whole, &resumed})
        last = trainer->step({packed_batch(1)}, {.lr = 0.01, .clip = 1}, job);
    CHECK(all_weights(resumed).equal(all_weights(whole)));
    CHECK(last.loss < first.loss / 2);
    std::filesystem::remove(path);
  }
  auto unknown = kOptions;
  unknown.optimizer.kind = "sgd";
  CHECK_THROWS_AS(train::Trainer(test::tiny_decoder(), unknown), Error);
}

TEST_CASE("a saved state is refused where any tensor of it is missing, or has another dtype or shape") {
  SilentJob job;
  const auto path = (std::filesystem::temp_directory_path() / str("tongueforge_state_", ::getpid())).string();
  const train::Trainer trainer(test::tiny_decoder(), kOptions);
  trainer.save_state(path, job);
  std::vector<models::NamedTensor> saved;
  {
    const models::StoredTensors stored(path);
    const auto file = checkpoint::SafetensorsFile::open(path);
    for (const auto& tensor : file.tensors()) saved.emplace_back(tensor.name, stored.read(tensor.name, job));
  }
  const auto refused = [&](const std::vector<models::NamedTensor>& tensors) -> std::string {
    std::filesystem::remove(path);
    models::save_tensors(path, tensors, job);
    train::Trainer resumed(test::tiny_decoder(), kOptions);
    try {
      resumed.load_state(path, job);
    } catch (const Error& error) {
      CHECK(error.code() == "ERR_CHECKPOINT");
      return error.details().at(1).second;
    }
    return "";
  };
  CHECK(refused(saved).empty());
  CHECK(saved.size() > 3 * trainer.model().parameters().size());
  for (size_t i = 0; i < saved.size(); i++) {
    CAPTURE(saved[i].first);
    const auto whole = saved[i].second;
    for (const auto& other : {whole.to(at::kDouble), whole.to(at::kBFloat16), whole.unsqueeze(0)}) {
      saved[i].second = other;
      CHECK(refused(saved) == saved[i].first);
    }
    saved[i].second = whole;
    auto fewer = saved;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK(refused(fewer) == saved[i].first);
  }
  std::filesystem::remove(path);
}

TEST_CASE("a model trains and evaluates by its weights, whatever other form they had") {
  SilentJob job;
  const auto batch = random_batch(2, 8, 1);
  const auto loss_of = [&](bool with_execution) {
    const auto model = tiny_decoder();
    if (with_execution)
      for (const auto& block : model->blocks()) set_zeros_execution(*block.narrow.linear);
    return train::Trainer(model, kOptions).evaluate(batch).sum;
  };
  CHECK(loss_of(true) == loss_of(false));
}
