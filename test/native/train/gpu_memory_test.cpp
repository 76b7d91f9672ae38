// Memory of a GPU that a training takes, and what happens where there is too little.
#include "kernels/device_memory.h"
#include "train/gpu_settings.h"

using namespace tongueforge;
using namespace tongueforge::test;

TEST_CASE("cuda: a step without room changes nothing, and the next one goes on") {
  const auto device = gpu();
  if (!device) return;
  SilentJob job;
  const Setting setting = {"adamw"};
  train::Trainer trainer(on(tiny_decoder(), *device), gpu_options()),
      undisturbed(on(tiny_decoder(), *device), gpu_options());
  updates(trainer, setting, 0, 2);
  updates(undisturbed, setting, 0, 2);
  const auto used = kernels::device_use(*device).used;
  {
    // All of the GPU is taken but a little, and the step asks for more.
    const auto room = kernels::device_room(*device);
    const auto taken = at::empty({room.available - (512 << 20)}, at::device(*device).dtype(at::kByte));
    std::string code;
    try {
      trainer.step({random_batch(4096, 512, 1)}, {.lr = 0.005, .step = 2}, job);
    } catch (const Error& error) {
      code = error.code();
      CHECK(error.message().find("no room for") != std::string::npos);
      CHECK(error.message().find("weights") != std::string::npos);
    }
    CHECK(code == "ERR_OUT_OF_MEMORY");
  }
  CHECK(kernels::device_use(*device).used <= used + (64 << 20));
  kernels::release_kept(*device);
  updates(trainer, setting, 2, 3);
  updates(undisturbed, setting, 2, 3);
  CHECK(same_bits(trainer, undisturbed));
}

TEST_CASE("cuda: bfloat16 takes 16 bytes a parameter, and gradients are held once") {
  const auto device = gpu();
  if (!device) return;
  auto spec = tiny_spec();
  spec.vocab_size = 32000;
  spec.hidden_size = 512;
  spec.head_dim = 64;
  for (auto& layer : spec.layers) layer = {{8, 4, 2048}, 0, {}};
  auto options = gpu_options();
  options.compute = at::kBFloat16;
  SilentJob job;
  train::Trainer(on(tiny_decoder(), *device), options).step({packed_batch(1)}, {.lr = 0.001}, job);
  kernels::release_kept(*device);  // what libraries work in is there by now
  const auto before = kernels::device_use(*device).used;
  train::Trainer trainer(on(tiny_decoder(spec), *device), options);
  const auto parameters = trainer.memory_use().weights / 2;
  const auto resting = kernels::device_use(*device).used - before;
  CHECK(static_cast<double>(resting) < 14.05 * static_cast<double>(parameters));
  for (int64_t step = 0; step < 2; step++)
    trainer.step({random_batch(1, 16, 1)}, {.lr = 0.001, .step = step}, job);
  CHECK(kernels::device_use(*device).used - before ==
        doctest::Approx(static_cast<double>(resting)).epsilon(0.05));
  const auto peak = kernels::device_use(*device).peak - before;
  const auto head = 6 * 32000 * 512;  // the gradient of the head is summed in float32, then rounded
  MESSAGE("bytes a parameter at the peak: " << static_cast<double>(peak) / static_cast<double>(parameters));
  CHECK(static_cast<double>(peak) < 16.5 * static_cast<double>(parameters) + head + (64 << 20));
}
