// Steps that are recorded and replayed, held against those that are not.
#include "train/gpu_settings.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

// Heads that libtorch's attention for packed rows takes.
Setting recordable(const char* name, int64_t accumulation, at::ScalarType dtype = at::kBFloat16) {
  return {name, accumulation, [dtype](train::TrainerOptions& options) { options.compute = dtype; },
          [] { return tiny_decoder(); }, accumulation > 1 ? four_rows : packed_batch};
}

}  // namespace

TEST_CASE("cuda: passes that are recorded and replayed learn what others do, the same bytes each time") {
  const auto device = gpu();
  if (!device) return;
  for (const int64_t accumulation : {1, 2, 4})
    for (const bool recompute : {false, true}) {
      CAPTURE(accumulation);
      CAPTURE(recompute);
      const auto setting = recordable("recorded", accumulation);
      const auto model = on(setting.model(), *device);
      auto options = options_of(setting, *model, *device);
      options.recompute_blocks = recompute;
      train::Trainer eager(model, options);
      options.graph = true;
      train::Trainer recorded(on(setting.model(), *device), options);
      const auto a = updates(eager, setting, 0, 10), b = updates(recorded, setting, 0, 10);
      for (size_t i = 0; i < a.size(); i++) {
        CAPTURE(i);
        CHECK(b[i].tokens == a[i].tokens);
        CHECK(b[i].loss == doctest::Approx(a[i].loss).epsilon(0.01));
        CHECK(b[i].grad_norm == doctest::Approx(a[i].grad_norm).epsilon(0.05));
      }
      train::Trainer again(on(setting.model(), *device), options);
      updates(again, setting, 0, 10);
      CHECK(same_bits(recorded, again));
    }
}

TEST_CASE(
    "cuda: a recorded training goes on from its state to the bit, other shapes and full plans included") {
  const auto device = gpu();
  if (!device) return;
  SilentJob job;
  const auto setting = recordable("recorded", 1);
  auto options = options_of(setting, *tiny_decoder(), *device);
  options.graph = true;
  // Of one token each: more documents than a plan has room for.
  auto crowded = packed_batch(3);
  crowded.segments_BT = at::arange(12).expand({2, 12}).contiguous();
  const auto odd = random_batch(3, 7, 4);
  const auto go_on = [&](train::Trainer& trainer) {
    updates(trainer, setting, 3, 3);
    trainer.step({odd}, {.lr = 0.005, .clip = 1}, job);
    trainer.step({crowded}, {.lr = 0.005, .clip = 1}, job);
    trainer.step({odd, packed_batch(8)}, {.lr = 0.005, .clip = 1}, job);
    updates(trainer, setting, 6, 3);
  };
  train::Trainer whole(on(tiny_decoder(), *device), options), stopped(on(tiny_decoder(), *device), options);
  updates(whole, setting, 0, 3);
  updates(stopped, setting, 0, 3);
  save(stopped, job);
  train::Trainer resumed(on(tiny_decoder(tiny_spec(), 99), *device), options);
  resumed.load_state(state_path(), job);
  go_on(whole);
  go_on(resumed);
  CHECK(same_bits(whole, resumed));
  std::filesystem::remove(state_path());
}
