// Activation checkpointing in training steps: the same bits, less memory.
#include <atomic>

#include "core/error.h"
#include "doctest.h"
#include "kernels/autograd.h"
#include "models/adapters.h"
#include "models/tiny_decoder.h"
#include "peak_memory.h"
#include "train/fixtures.h"
#include "train/trainer.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

struct RecomputeCase {
  const char* what;
  bool lora = false, tied = false, half = false;
  int64_t window = 0;
  train::FrozenNames frozen{};
};

train::Trainer make_trainer(const RecomputeCase& with, bool recompute) {
  auto spec = test::tiny_spec(with.window);
  spec.tied_head = with.tied;
  spec.o_bias = spec.mlp_bias = with.tied;
  auto model = test::tiny_decoder(spec);
  auto options = freezing(with.frozen, 3);
  if (with.lora) {
    for (const auto& parameter : model->parameters()) options.frozen.insert(parameter.name);
    models::attach_adapters(
        *model, {{"model.layers.0.mlp.up_proj", 4, 2}, {"model.layers.1.self_attn.q_proj", 4, 2}}, 0.3, 1);
    for (const auto& parameter : models::adapter_parameters(*model)) parameter.tensor->fill_(0.1);
  }
  if (with.half) options.compute = at::kBFloat16;
  options.recompute_blocks = recompute;
  return train::Trainer(model, options);
}

}  // namespace

TEST_CASE("recomputed blocks change no bit of gradients, norms, losses and weights") {
  const std::vector<RecomputeCase> cases = {
      {.what = "all"},
      {.what = "tied, biases", .tied = true},
      {.what = "window", .window = 4},
      {.what = "bfloat16", .half = true},
      {.what = "adapters with dropout", .lora = true},
      {.what = "adapters in bfloat16", .lora = true, .half = true},
      {.what = "frozen embedding and a matrix",
       .frozen = {"model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight"}}};
  SilentJob job;
  for (const auto& with : cases) {
    CAPTURE(with.what);
    auto plain = make_trainer(with, false), again = make_trainer(with, true);
    const auto expected = plain.gradients({packed_batch(1), packed_batch(2)}, job);
    const auto received = again.gradients({packed_batch(1), packed_batch(2)}, job);
    REQUIRE(received.size() == expected.size());
    for (size_t i = 0; i < expected.size(); i++) CHECK(received[i].second.equal(expected[i].second));
    for (int64_t step = 0; step < 5; step++) {
      const train::StepOptions options = {.lr = 0.01, .clip = 1, .step = step};
      const auto a = plain.step({packed_batch(3), packed_batch(4)}, options, job);
      const auto b = again.step({packed_batch(3), packed_batch(4)}, options, job);
      CHECK(a.loss == b.loss);
      CHECK(a.grad_norm == b.grad_norm);
    }
    CHECK(all_weights(again).equal(all_weights(plain)));
  }
}

TEST_CASE("backward of recomputed blocks drops what forward dropped, whatever the key is by then") {
  const RecomputeCase with = {.what = "adapters", .lora = true};
  auto trainer = make_trainer(with, true);
  const auto batch = packed_batch(1);
  const auto gradient = [&](std::optional<uint64_t> key_of_backward) {
    auto& dropout = *trainer.model().dropout();
    at::Tensor loss;
    {
      const nn::DropoutScope scope(dropout, 11);
      loss = trainer.model().hidden_packed(batch.rows()).square().sum();
    }
    const nn::DropoutScope scope(dropout, key_of_backward);
    const auto added = trainer.model().parameters();
    std::vector<at::Tensor> trained;
    for (const auto& parameter : added)
      if (parameter.linear && parameter.linear->adapter)
        trained.push_back(parameter.linear->adapter->added.a_RI);
    return torch::autograd::grad({loss}, trained);
  };
  const auto within = gradient(11), outside = gradient(std::nullopt), other = gradient(12);
  for (size_t i = 0; i < within.size(); i++) {
    CHECK(outside[i].equal(within[i]));
    CHECK(other[i].equal(within[i]));
  }
}

TEST_CASE("a job is asked again while backward recomputes, and evaluation recomputes nothing") {
  struct Asked final : Job {
    bool cancelled() const override { return ++times > most; }
    void progress(Value) override {}
    void emit(Value) override {}
    mutable std::atomic<int> times = 0;  // kernels ask from several threads
    int most = std::numeric_limits<int>::max();
  };
  const auto batch = packed_batch(1);
  const auto asked = [&](bool recompute) {
    auto trainer = make_trainer({.what = "all"}, recompute);
    Asked step, evaluation;
    trainer.step({batch}, {.lr = 0.01}, step);
    trainer.evaluate(batch, &evaluation);
    return std::pair(step.times.load(), evaluation.times.load());
  };
  const auto [plain_step, plain_evaluation] = asked(false);
  const auto [again_step, again_evaluation] = asked(true);
  CHECK(again_step > plain_step);
  CHECK(again_evaluation == plain_evaluation);
  // Cancelled at every question there is, forward and backward: nothing is changed, and the next step is
  // whole.
  auto trainer = make_trainer({.what = "all"}, true);
  const auto before = all_weights(trainer).clone();
  for (int most = 0; most < again_step; most++) {
    Asked job;
    job.most = most;
    CHECK_THROWS_AS(trainer.step({batch}, {.lr = 0.01}, job), Cancelled);
  }
  CHECK(all_weights(trainer).equal(before));
  auto fresh = make_trainer({.what = "all"}, true);
  SilentJob job;
  trainer.step({batch}, {.lr = 0.01}, job);
  fresh.step({batch}, {.lr = 0.01}, job);
  CHECK(all_weights(trainer).equal(all_weights(fresh)));
}

TEST_CASE("recomputed blocks need less memory: of each block what goes in, and one block whole") {
  const auto batch = random_batch(4, 128, 1);
  const auto peak = [&](int layers, bool recompute) {
    auto spec = test::tiny_spec();
    spec.layers.assign(static_cast<size_t>(layers), spec.layers[0]);
    auto options = kOptions;
    options.recompute_blocks = recompute;
    train::Trainer trainer(test::tiny_decoder(spec), options);
    SilentJob job;
    return test::peak_memory([&] { trainer.gradients({batch}, job); });
  };
  // From 4 to 12 layers, at the end of the forward pass: gradients of weights come as activations go.
  const auto growth = [&](bool recompute) { return peak(12, recompute) - peak(4, recompute); };
  CHECK(growth(true) == 8 * 4 * 128 * 2 * 24 * 4);  // x and branch of eight layers, float32
  CHECK(growth(false) > 6 * growth(true));
}
