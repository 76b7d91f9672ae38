// Laws of masks through training: what is pruned stays exactly zero, what lives learns as if the rest were
// not there.
#include "train/masks.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <map>

#include "cancels_after.h"
#include "core/error.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "models/adapters.h"
#include "models/prunable.h"
#include "models/tiny_decoder.h"
#include "train/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::test;
using kernels::MaskScope;

namespace {

constexpr train::StepOptions kStep = {.lr = 0.02, .clip = 1};

// Biases that are not zero: a mask of zeros would hide them.
std::shared_ptr<models::Decoder> dense_decoder(uint64_t seed = 7) {
  auto spec = test::tiny_spec();
  spec.o_bias = spec.mlp_bias = true;
  auto model = test::tiny_decoder(spec, seed);
  const auto generator = at::detail::createCPUGenerator(seed);
  for (const auto& parameter : model->parameters())
    if (parameter.kind == models::ParameterKind::bias)
      parameter.tensor->copy_(at::randn(parameter.tensor->sizes(), generator, at::kFloat));
  return model;
}

train::TrainerOptions with_masks(train::Masking masks, const std::string& kind = "adamw",
                                 at::ScalarType compute = at::kFloat) {
  auto options = kOptions;
  options.optimizer.kind = kind;
  options.optimizer.decay_all = true;
  options.compute = compute;
  options.masks = masks;
  return options;
}

train::Trainer pruning_trainer() { return {dense_decoder(), with_masks(train::Masking::empty)}; }

// Weights and biases of linear layers in the blocks, end to end.
at::Tensor pool_of(const train::Trainer& trainer) {
  const auto names = models::prunable_names(trainer.model());
  std::vector<at::Tensor> flat;
  for (const auto& parameter : trainer.model().parameters())
    if (names.contains(parameter.name)) flat.push_back(parameter.tensor->detach().flatten());
  return at::cat(flat);
}

int64_t zeros_of(const train::Trainer& trainer) { return pool_of(trainer).eq(0).sum().item<int64_t>(); }

bool holds_negative_zero(const at::Tensor& values) {
  return (values.eq(0) & values.signbit()).any().item<bool>();
}

std::string temporary_file() {
  return (std::filesystem::temp_directory_path() / str("tongueforge_masks_", ::getpid(), ".safetensors"))
      .string();
}

}  // namespace

TEST_CASE("masked weights are exactly zero after every update, whatever updates, decays and rounds") {
  SilentJob job;
  for (const auto& [kind, compute] : {std::pair("adamw", at::kFloat),
                                      {"adamw", at::kBFloat16},
                                      {"adafactor", at::kFloat},
                                      {"adafactor", at::kBFloat16}}) {
    CAPTURE(kind);
    for (const bool recompute : {false, true}) {
      auto options = with_masks(train::Masking::empty, kind, compute);
      options.recompute_blocks = recompute;
      options.optimizer.weight_decay = 0.5;
      train::Trainer trainer(dense_decoder(), options);
      // Momentum that still moves what is pruned a moment later.
      for (int i = 0; i < 3; i++) trainer.step({random_batch(2, 10, 1)}, kStep, job);
      trainer.prune(MaskScope::global, 0.6, job);
      const auto zero = pool_of(trainer).eq(0);
      const auto [prunable, masked] = trainer.masked();
      CHECK(masked == kernels::share_of(0.6, prunable));
      CHECK(zero.sum().item<int64_t>() == masked);
      for (int i = 0; i < 10; i++) {
        trainer.step({random_batch(2, 10, 2), random_batch(1, 10, 3)}, kStep, job);
        CHECK(pool_of(trainer).eq(0).equal(zero));
      }
      CHECK_FALSE(holds_negative_zero(pool_of(trainer)));
    }
  }
}

TEST_CASE(
    "of zeros that are there a bias that is nothing else is free to learn, one with some is masked there") {
  SilentJob job;
  const auto model = dense_decoder();
  const auto blocks = model->blocks();
  blocks[0].q.linear->bias.zero_();
  blocks[0].k.linear->bias.slice(0, 0, 2).zero_();
  blocks[1].o.linear->weight[0].zero_();
  train::Trainer trainer(model, with_masks(train::Masking::zeros));
  const int64_t inputs = blocks[1].o.linear->weight.size(1);
  CHECK(trainer.masked().masked == 2 + inputs);
  for (int i = 0; i < 3; i++) trainer.step({random_batch(2, 10, 1)}, kStep, job);
  CHECK(blocks[0].q.linear->bias.ne(0).all().item<bool>());
  CHECK(blocks[0].k.linear->bias.eq(0).sum().item<int64_t>() == 2);
  CHECK(blocks[1].o.linear->weight.eq(0).sum().item<int64_t>() == inputs);
}

TEST_CASE("masks that hide nothing change no bit of training") {
  SilentJob job;
  for (const auto masks : {train::Masking::empty, train::Masking::zeros})
    for (const auto& [kind, compute] : {std::pair("adamw", at::kFloat), {"adafactor", at::kBFloat16}}) {
      CAPTURE(kind);
      train::Trainer plain(dense_decoder(), with_masks(train::Masking::none, kind, compute));
      train::Trainer masked(dense_decoder(), with_masks(masks, kind, compute));
      CHECK(masked.masked().masked == 0);
      CHECK(masked.masked().prunable == pool_of(masked).numel());
      CHECK(plain.masked().prunable == 0);
      for (int i = 0; i < 8; i++) {
        const auto a = plain.step({packed_batch(1)}, kStep, job),
                   b = masked.step({packed_batch(1)}, kStep, job);
        CHECK(a.loss == b.loss);
        CHECK(a.grad_norm == b.grad_norm);
      }
      CHECK(all_weights(plain).equal(all_weights(masked)));
    }
}

TEST_CASE("zeros of the starting weights are kept, those outside the blocks' linear layers are not") {
  SilentJob job;
  auto model = dense_decoder();
  const auto embedding = model->parameters()[0];
  CHECK((embedding.kind == models::ParameterKind::embedding));
  embedding.tensor->slice(0, 0, 40).fill_(0);
  std::map<std::string, at::Tensor> zero;
  for (const auto& parameter : model->parameters()) {
    if (!models::prunable_names(*model).contains(parameter.name)) continue;
    const auto generator = at::detail::createCPUGenerator(parameter.name.size());
    const auto mask = at::rand(parameter.tensor->sizes(), generator, at::kFloat) < 0.4;
    zero[parameter.name] = mask;
    parameter.tensor->masked_fill_(mask, -0.0);
  }
  train::Trainer trainer(model, with_masks(train::Masking::zeros));
  for (int i = 0; i < 5; i++) trainer.step({random_batch(2, 12, 4)}, kStep, job);
  for (const auto& parameter : model->parameters()) {
    CAPTURE(parameter.name);
    const auto found = zero.find(parameter.name);
    if (found != zero.end()) CHECK(parameter.tensor->eq(0).equal(found->second));
  }
  CHECK(embedding.tensor->slice(0, 0, 40).ne(0).any().item<bool>());
}

TEST_CASE("masks are nested and exact at every step of a schedule, while weights move between them") {
  SilentJob job;
  for (const auto scope : {MaskScope::global, MaskScope::layer, MaskScope::row})
    for (uint64_t seed = 1; seed <= 3; seed++) {
      CAPTURE(seed);
      train::Trainer trainer(dense_decoder(seed), with_masks(train::Masking::empty));
      auto zero = at::zeros({pool_of(trainer).numel()}, at::kBool);
      for (const double share : {0.2, 0.45, 0.45, 0.7, 0.3, 0.95}) {
        const auto before = trainer.masked();
        trainer.prune(scope, share, job);
        const auto [prunable, masked] = trainer.masked();
        if (scope == MaskScope::global)
          CHECK(masked == std::max(before.masked, kernels::share_of(share, prunable)));
        const auto now = pool_of(trainer).eq(0);
        CHECK(now.sum().item<int64_t>() == masked);
        CHECK_FALSE((zero & ~now).any().item<bool>());
        zero = now;
        trainer.step({random_batch(2, 12, seed)}, kStep, job);
        CHECK(pool_of(trainer).eq(0).equal(zero));
      }
    }
}

TEST_CASE("the norm of the gradient, and clipping, are those of the weights that live") {
  SilentJob job;
  const auto batch = random_batch(2, 12, 5);
  auto trainer = pruning_trainer();
  trainer.prune(MaskScope::global, 0.8, job);
  // The same model without masks: its gradient, and where it is hidden.
  auto model = dense_decoder();
  const auto from = trainer.model().parameters();
  for (size_t i = 0; i < from.size(); i++) model->parameters()[i].tensor->copy_(from[i].tensor->detach());
  train::Trainer plain(model, with_masks(train::Masking::none));
  const auto whole = plain.gradients({batch}, job), live = trainer.gradients({batch}, job);
  const auto names = models::prunable_names(*model);
  double squares = 0;
  for (size_t i = 0; i < whole.size(); i++) {
    const auto hidden = names.contains(whole[i].first) ? from[i].tensor->eq(0)
                                                       : at::zeros(from[i].tensor->sizes(), at::kBool);
    const auto expected = whole[i].second.masked_fill(hidden, 0);
    CHECK(live[i].second.equal(expected));
    squares += std::pow(expected.norm().item<double>(), 2);
  }
  const double norm = trainer.step({batch}, {.lr = 0}, job).grad_norm;
  CHECK(norm == doctest::Approx(std::sqrt(squares)).epsilon(1e-6));
  CHECK(norm < 0.95 * plain.step({batch}, {.lr = 0}, job).grad_norm);
}

TEST_CASE("what is pruned comes back from a checkpoint and a snapshot as if never stopped, not from zeros") {
  SilentJob job;
  const auto path = temporary_file(), copy = path + ".copy";
  for (const auto masks : {train::Masking::empty, train::Masking::zeros}) {
    auto options = with_masks(masks);
    train::Trainer whole(dense_decoder(), options);
    whole.step({packed_batch(1)}, kStep, job);
    whole.prune(MaskScope::global, 0.3, job);
    whole.step({packed_batch(2)}, kStep, job);
    whole.save_state(path, job);
    const auto snapshot = whole.snapshot(job);
    // Of other weights, with other zeros.
    auto other = dense_decoder(99);
    other->parameters()[5].tensor->fill_(0);
    train::Trainer resumed(other, options);
    resumed.load_state(path, job);
    CHECK(resumed.masked().masked == whole.masked().masked);
    for (int i = 0; i < 4; i++)
      for (auto* trainer : {&whole, &resumed}) {
        trainer->step({packed_batch(3)}, kStep, job);
        if (i == 1) trainer->prune(MaskScope::global, 0.7, job);
      }
    CHECK(all_weights(resumed).equal(all_weights(whole)));
    snapshot->save_state(copy, job);
    train::Trainer copied(dense_decoder(3), options);
    copied.load_state(copy, job);
    CHECK(copied.masked().masked == kernels::share_of(0.3, copied.masked().prunable));
    CHECK(zeros_of(copied) == copied.masked().masked);
    std::filesystem::remove(path);
    std::filesystem::remove(copy);
  }
}

TEST_CASE("what is frozen has no mask; adapters have none either") {
  SilentJob job;
  auto options = with_masks(train::Masking::zeros);
  const std::string frozen = "model.layers.0.mlp.up_proj.weight";
  options.frozen = {frozen};
  train::Trainer part(dense_decoder(), options);
  train::Trainer whole(dense_decoder(), with_masks(train::Masking::zeros));
  CHECK(whole.masked().prunable - part.masked().prunable == 24 * 40);
  part.prune(MaskScope::global, 0.5, job);
  for (const auto& parameter : part.model().parameters())
    if (parameter.name == frozen) CHECK(parameter.tensor->ne(0).all().item<bool>());

  auto model = dense_decoder();
  for (const auto& parameter : model->parameters()) options.frozen.insert(parameter.name);
  models::attach_adapters(*model, {{"model.layers.0.mlp.up_proj", 4, 2}}, 0, 1);
  CHECK(train::Trainer(model, options).masked().prunable == 0);
}

TEST_CASE("a pruning that is cancelled leaves masks and weights as they were") {
  SilentJob job;
  for (const auto scope : {MaskScope::global, MaskScope::layer, MaskScope::row}) {
    auto trainer = pruning_trainer();
    trainer.prune(scope, 0.3, job);
    const auto before = trainer.masked().masked;
    for (const int questions : {0, 3, 12}) {
      CancelsAfter cancels(questions);
      CHECK_THROWS_AS(trainer.prune(scope, 0.6, cancels), Cancelled);
      CHECK(trainer.masked().masked == before);
    }
  }
}

TEST_CASE("pruning without masks, and masks that are not known, are refused") {
  SilentJob job;
  train::Trainer trainer(dense_decoder(), kOptions);
  CHECK_THROWS_WITH_AS(trainer.prune(MaskScope::global, 0.5, job),
                       "Expected masks to prune with, and this training has none", Error);
  CHECK_THROWS_WITH_AS(train::masking_from_name("all"), "Expected masks none, empty or zeros, received 'all'",
                       Error);
  CHECK((train::masking_from_name("zeros") == train::Masking::zeros));
}
