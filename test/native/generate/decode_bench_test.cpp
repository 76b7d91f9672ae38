// How near to the speed of its memory a GPU decodes a Llama of 1.2 G parameters in bfloat16, a JSON line a
// batch:
//   native_tests --no-skip -tc="cuda: decoding speed*"
#include <chrono>
#include <cstdio>

#include "doctest.h"
#include "generate/prefill.h"
#include "generate/token_step.h"
#include "gpu.h"
#include "kernels/aten.h"

using namespace tongueforge;

namespace {

constexpr int64_t kPrompt = 128, kTokens = 128;

// The sizes of Llama 3.2 1B.
models::DecoderSpec spec_1b() {
  models::DecoderSpec spec;
  spec.vocab_size = 128256, spec.hidden_size = 2048, spec.head_dim = 64, spec.max_positions = 131072;
  spec.tied_head = true;
  spec.rope.theta = 500000;
  for (int layer = 0; layer < 16; layer++) spec.layers.push_back({{32, 8, 8192}, 0, {}});
  return spec;
}

void draw_weights(models::Model& model, at::Device device) {
  const auto options = at::TensorOptions(device).dtype(at::kBFloat16);
  for (const auto& parameter : model.parameters())
    *parameter.tensor = parameter.kind == models::ParameterKind::norm
                            ? at::ones(parameter.shape, options)
                            : at::randn(parameter.shape, options).mul_(0.02);
}

/// Seconds of the work, done with: the best of five.
template <class Work>
double seconds_of(at::Device device, const Work& work) {
  const auto wait = [&] { at::zeros({1}, at::TensorOptions(device)).item<float>(); };
  double best = 1e9;
  for (int i = 0; i < 5; i++) {
    wait();
    const auto start = std::chrono::steady_clock::now();
    work();
    wait();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

/// Bytes a second that a copy reads and writes.
double copy_rate(at::Device device) {
  const auto from = at::ones({int64_t{1} << 30}, at::TensorOptions(device).dtype(at::kChar));
  const auto to = at::empty_like(from);
  return 20 * 2.0 * static_cast<double>(from.nbytes()) / seconds_of(device, [&] {
           for (int i = 0; i < 20; i++) to.copy_(from);
         });
}

}  // namespace

TEST_CASE("cuda: decoding speed of a model of 1.2 G parameters, by batch" * doctest::skip()) {
  const auto device = test::gpu();
  if (!device) return;
  const at::NoGradGuard no_grad;
  models::Decoder model(spec_1b());
  draw_weights(model, *device);
  const double rate = copy_rate(*device), bytes = static_cast<double>(model.bytes());
  SilentJob job;
  for (const int64_t batch : {1, 2, 4, 8, 32}) {
    const std::vector<std::vector<int32_t>> prompts(static_cast<size_t>(batch),
                                                    std::vector<int32_t>(kPrompt, 100));
    auto filled = generate::prefill(model, prompts, 256, job);
    const auto ids = filled.logits_BV.argmax(1, true);
    const auto steps_of = [&](bool recorded) {
      generate::TokenStep step(model, filled.cache, ids, /*greedy=*/true, recorded);
      for (int i = 0; i < 5; i++) step.run();
      return seconds_of(*device,
                        [&] {
                          for (int64_t i = 0; i < kTokens / 6; i++) step.run();
                        }) /
             static_cast<double>(kTokens / 6);
    };
    const double recorded = steps_of(true), plain = steps_of(false);
    std::printf(
        "{\"batch\": %ld, \"ms_per_token\": %.4f, \"ms_unrecorded\": %.4f, \"tokens_per_second\": %.1f, "
        "\"weights_gb\": %.3f, \"weights_gb_per_second\": %.0f, \"copy_gb_per_second\": %.0f, "
        "\"share_of_copy_rate\": %.3f}\n",
        static_cast<long>(batch), 1e3 * recorded, 1e3 * plain, static_cast<double>(batch) / recorded,
        bytes * 1e-9, 1e-9 * bytes / recorded, 1e-9 * rate, bytes / recorded / rate);
  }
}
