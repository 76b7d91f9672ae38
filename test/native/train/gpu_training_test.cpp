// Training on a GPU, held against the same training on the CPU.
#include <cmath>
#include <limits>

#include "train/gpu_settings.h"

using namespace tongueforge;
using namespace tongueforge::test;

TEST_CASE("cuda: ten updates tell the losses of the CPU, whatever is trained and how") {
  const auto device = gpu();
  if (!device) return;
  for (const auto& setting : settings()) {
    CAPTURE(setting.name);
    const auto here = trained_on(at::kCPU, setting), there = trained_on(*device, setting);
    for (size_t i = 0; i < here.size(); i++) {
      CAPTURE(i);
      CHECK(there[i].refused.empty());
      CHECK(there[i].tokens == here[i].tokens);
      CHECK(there[i].loss == doctest::Approx(here[i].loss).epsilon(1e-4));
      CHECK(there[i].grad_norm == doctest::Approx(here[i].grad_norm).epsilon(2e-3));
      for (const auto& [name, value] : here[i].figures) {
        CAPTURE(name);
        CHECK(there[i].figures.at(name) == doctest::Approx(value).epsilon(1e-3));
      }
    }
  }
}

TEST_CASE("cuda: in bfloat16 the loss follows float32, whatever the gradient is summed over") {
  const auto device = gpu();
  if (!device) return;
  for (const int64_t accumulation : {1, 4}) {
    const Setting wide = {"float32", accumulation, [](train::TrainerOptions&) {},
                          [] { return tiny_decoder(); }, four_rows};
    Setting half = wide;
    half.change = [](train::TrainerOptions& options) { options.compute = at::kBFloat16; };
    const auto expected = trained_on(*device, wide), seen = trained_on(*device, half);
    for (size_t i = 0; i < seen.size(); i++)
      CHECK(seen[i].loss == doctest::Approx(expected[i].loss).epsilon(0.05));
  }
}

TEST_CASE("cuda: what goes on from a saved state is to the bit what never stopped") {
  const auto device = gpu();
  if (!device) return;
  SilentJob job;
  for (const char* kind : {"adamw", "adafactor"})
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      CAPTURE(kind);
      CAPTURE(dtype);
      auto options = gpu_options();
      options.optimizer.kind = kind;
      options.compute = dtype;
      const Setting setting = {kind};
      train::Trainer whole(on(tiny_decoder(), *device), options),
          stopped(on(tiny_decoder(), *device), options);
      updates(whole, setting, 0, 3);
      updates(stopped, setting, 0, 3);
      save(stopped, job);
      const auto snapshot = stopped.snapshot(job);
      train::Trainer resumed(on(tiny_decoder(tiny_spec(), 99), *device), options);
      resumed.load_state(state_path(), job);
      updates(whole, setting, 3, 7);
      updates(resumed, setting, 3, 7);
      CHECK(same_bits(whole, resumed));
      save(*snapshot, job);  // taken before, whatever was trained since
      train::Trainer again(on(tiny_decoder(tiny_spec(), 98), *device), options);
      again.load_state(state_path(), job);
      updates(again, setting, 3, 7);
      CHECK(same_bits(whole, again));
      std::filesystem::remove(state_path());
    }
}

TEST_CASE("cuda: a state goes from one device to the other and back without loss") {
  const auto device = gpu();
  if (!device) return;
  SilentJob job;
  const Setting setting = {"adamw"};
  train::Trainer here(tiny_decoder(), gpu_options()), back(tiny_decoder(tiny_spec(), 98), gpu_options());
  train::Trainer there(on(tiny_decoder(tiny_spec(), 99), *device), gpu_options());
  updates(here, setting, 0, 3);
  save(here, job);
  there.load_state(state_path(), job);
  CHECK(same_bits(here, there));
  save(there, job);
  back.load_state(state_path(), job);
  updates(here, setting, 3, 3);
  updates(back, setting, 3, 3);
  CHECK(same_bits(here, back));  // moments too went along
  std::filesystem::remove(state_path());
}

TEST_CASE("cuda: a loss that is not finite, or a spike, changes nothing") {
  const auto device = gpu();
  if (!device) return;
  SilentJob job;
  const auto model = on(tiny_decoder(), *device);
  train::Trainer trainer(model, gpu_options());
  const auto batch = packed_batch(1);
  const auto before = all_weights(trainer).clone();
  CHECK(trainer.step({batch}, {.lr = 0.01, .loss_limit = 1e-3}, job).refused == "spike");
  CHECK(all_weights(trainer).equal(before));
  {
    const at::NoGradGuard no_grad;
    model->parameters()[0]
        .tensor->select(0, batch.ids_BT[0][1].item<int64_t>())
        .fill_(std::numeric_limits<float>::quiet_NaN());
  }
  const auto spoilt = at::nan_to_num(all_weights(trainer));
  CHECK(trainer.step({batch}, {.lr = 0.01}, job).refused == "non_finite");
  CHECK(at::nan_to_num(all_weights(trainer)).equal(spoilt));
}

TEST_CASE("cuda: evaluation tells the loss of the CPU") {
  const auto device = gpu();
  if (!device) return;
  train::Trainer here(tiny_decoder(), gpu_options()), there(on(tiny_decoder(), *device), gpu_options());
  const auto a = here.evaluate(packed_batch(5)), b = there.evaluate(packed_batch(5));
  CHECK(a.count == b.count);
  CHECK(b.sum == doctest::Approx(a.sum).epsilon(1e-5));
}

TEST_CASE("cuda: two trainings with deterministic operators give the same bytes, whatever is trained") {
  const auto device = gpu();
  if (!device) return;
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  for (const auto& setting : settings())
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      CAPTURE(setting.name);
      CAPTURE(dtype);
      const auto weights = [&] {
        const auto model = on(setting.model(), *device);
        auto options = options_of(setting, *model, *device);
        options.deterministic = true;
        options.compute = dtype;
        train::Trainer trainer(model, options);
        updates(trainer, setting, 0, 5);
        return all_weights(trainer);
      };
      CHECK(weights().equal(weights()));
      CHECK_FALSE(at::globalContext().deterministicAlgorithms());
    }
}
