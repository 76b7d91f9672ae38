#include "generate/speed.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>

#include "kernels/aten.h"

namespace tongueforge::generate {
namespace {

constexpr int64_t kLeastRuns = 5;
constexpr uint64_t kSeed = 1;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The row, (1,T).
at::Tensor random_ids(int64_t vocab_size, int64_t tokens) {
  return at::randint(vocab_size, {1, tokens}, at::detail::createCPUGenerator(kSeed), at::kLong);
}

// A GPU is given work and done with it later.
void wait_for(at::Device device) {
  if (device.is_cuda()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

void time_pass(const models::Model& model, const at::Tensor& ids_BT, const Job& job, Speed& speed) {
  const auto segments_BT = at::zeros_like(ids_BT);
  const auto start = Clock::now();
  model.hidden_packed(ids_BT, segments_BT, &job);
  wait_for(model.device());
  speed.pass.push_back(seconds_since(start));
}

void time_answer(const models::Decoder& decoder, const at::Tensor& ids_BT, int64_t new_tokens, const Job& job,
                 Speed& speed) {
  const auto next = [&](const at::Tensor& of_BT, models::DecoderCache& cache) {
    return decoder.logits(decoder.hidden(of_BT, &cache, &job).slice(1, -1)).argmax(-1);  // (1,1)
  };
  const auto start = Clock::now();
  auto cache = decoder.make_cache(1, ids_BT.size(1) + new_tokens);
  auto token_BT = next(ids_BT, cache);
  wait_for(decoder.device());
  speed.first_token.push_back(seconds_since(start));
  const auto first = Clock::now();
  for (int64_t i = 0; i < new_tokens; i++) token_BT = next(token_BT, cache);
  wait_for(decoder.device());
  speed.token.push_back(seconds_since(first) / static_cast<double>(new_tokens));
}

}  // namespace

Speed measure_speed(const models::Model& model, const SpeedOptions& options, Job& job) {
  const at::NoGradGuard no_grad;
  const auto ids_BT = random_ids(model.vocab_size(), options.tokens);
  const auto* const decoder = dynamic_cast<const models::Decoder*>(&model);
  const auto run = [&](Speed& speed) {
    job.check();
    decoder ? time_answer(*decoder, ids_BT, options.new_tokens, job, speed)
            : time_pass(model, ids_BT, job, speed);
  };
  const auto start = Clock::now();
  const auto is_spent = [&] { return seconds_since(start) > options.seconds; };
  Speed speed, dropped;
  while (speed.warm_up < options.warm_up && (speed.warm_up == 0 || !is_spent())) {
    run(dropped);
    speed.warm_up++;
  }
  for (int64_t i = 0; i < options.runs && (i < kLeastRuns || !is_spent()); i++) {
    run(speed);
    job.progress(Value::Map{{"done", i + 1}, {"total", options.runs}});
  }
  return speed;
}

}  // namespace tongueforge::generate
