#include "generate/speed.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "generate/token_step.h"
#include "kernels/aten.h"
#include "models/speech_encoder.h"

namespace tongueforge::generate {
namespace {

constexpr int64_t kLeastRuns = 5;
constexpr uint64_t kSeed = 1;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Noise as a speech encoder hears it, or a text.
models::Rows random_row(const models::Model& model, int64_t length) {
  const auto generator = at::detail::createCPUGenerator(kSeed);
  if (const auto* speech = dynamic_cast<const models::SpeechEncoder*>(&model)) {
    const int64_t width = speech->spec().frame_width;
    const auto shape = width > 0 ? std::vector<int64_t>{length, width} : std::vector<int64_t>{length};
    return {{}, at::zeros({1, speech->places(length)}, at::kLong), {at::randn(shape, generator)}};
  }
  const auto ids_BT = at::randint(model.vocab_size(), {1, length}, generator, at::kLong);
  return {ids_BT, at::zeros_like(ids_BT)};
}

// A GPU is given work and done with it later. Its other streams are none of ours: one may be recorded.
void wait_for(at::Device device) {
  if (device.is_cuda()) c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
}

void time_pass(const models::Model& model, const models::Rows& rows, const Job& job, Speed& speed) {
  const auto start = Clock::now();
  model.hidden_packed(rows, &job);
  wait_for(model.device());
  speed.pass.push_back(seconds_since(start));
}

/// What gives one more token of an answer, greedily.
class Answer {
 public:
  Answer(const models::Decoder& decoder, const Job& job, int64_t room)
      : decoder_(decoder), job_(job), cache_(decoder.make_cache(1, room)) {}

  void begin(const at::Tensor& ids_BT) { token_B1_ = next(ids_BT); }

  /// A GPU is given steps that are recorded: this makes those that come before.
  void prepare() {
    if (!decoder_.device().is_cuda() || !TokenStep::fits(decoder_)) return;
    step_.emplace(decoder_, std::move(cache_), token_B1_, /*greedy=*/true);
    for (int i = 0; i < kUnrecorded; i++) step_->run();
  }

  void go_on() {
    if (step_)
      step_->run();
    else
      token_B1_ = next(token_B1_);
  }

  static constexpr int kUnrecorded = 3;

 private:
  at::Tensor next(const at::Tensor& ids_BT) {
    return decoder_.logits(decoder_.hidden(ids_BT, &cache_, &job_).slice(1, -1)).argmax(-1);
  }

  const models::Decoder& decoder_;
  const Job& job_;
  models::DecoderCache cache_;
  at::Tensor token_B1_;
  std::optional<TokenStep> step_;
};

void time_answer(const models::Decoder& decoder, const at::Tensor& ids_BT, int64_t new_tokens, const Job& job,
                 Speed& speed) {
  const auto start = Clock::now();
  Answer answer(decoder, job, ids_BT.size(1) + new_tokens + Answer::kUnrecorded);
  answer.begin(ids_BT);
  wait_for(decoder.device());
  speed.first_token.push_back(seconds_since(start));
  answer.prepare();
  wait_for(decoder.device());
  const auto first = Clock::now();
  for (int64_t i = 0; i < new_tokens; i++) answer.go_on();
  wait_for(decoder.device());
  speed.token.push_back(seconds_since(first) / static_cast<double>(new_tokens));
}

}  // namespace

Speed measure_speed(const models::Model& model, const SpeedOptions& options, Job& job) {
  const at::NoGradGuard no_grad;
  const auto rows = random_row(model, options.tokens);
  const auto* const decoder = dynamic_cast<const models::Decoder*>(&model);
  const auto run = [&](Speed& speed) {
    job.check();
    decoder ? time_answer(*decoder, rows.ids_BT, options.new_tokens, job, speed)
            : time_pass(model, rows, job, speed);
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
