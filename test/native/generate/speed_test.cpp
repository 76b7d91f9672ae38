// What is timed, and how often; not how long it takes.
#include "generate/speed.h"

#include "kernels/aten.h"
#include "models/tiny_decoder.h"
#include "models/tiny_speech.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;

namespace {

// Counts what is told, and ends the work when asked to.
class CountingJob final : public Job {
 public:
  explicit CountingJob(int64_t stop_at = 1 << 30) : stop_at_(stop_at) {}
  bool cancelled() const override { return told >= stop_at_; }
  void progress(Value) override { told++; }
  void emit(Value) override {}
  int64_t told = 0;

 private:
  int64_t stop_at_;
};

}  // namespace

TEST_CASE("a decoder is timed to its first token and for each further one, so often as was asked") {
  const auto model = test::tiny_decoder();
  CountingJob job;
  const auto speed = generate::measure_speed(
      *model, {.tokens = 20, .new_tokens = 6, .warm_up = 2, .runs = 7, .seconds = 100}, job);
  CHECK(speed.warm_up == 2);
  CHECK(speed.first_token.size() == 7);
  CHECK(speed.token.size() == 7);
  CHECK(speed.pass.empty());
  CHECK(job.told == 7);
  for (const double seconds : speed.token) CHECK(seconds > 0);
}

TEST_CASE("a speech encoder is timed over noise as it hears it") {
  for (const auto& spec : {test::tiny_melhubert_spec(), test::tiny_hubert_spec()}) {
    const auto model = test::tiny_speech(spec);
    CountingJob job;
    const auto speed = generate::measure_speed(*model, {.tokens = 100, .warm_up = 1, .runs = 6}, job);
    CHECK(speed.pass.size() == 6);
    CHECK(speed.first_token.empty());
    CHECK(speed.token.empty());
  }
}

TEST_CASE("where time is short five runs are left, and one before them") {
  const auto model = test::tiny_decoder();
  CountingJob job;
  const auto speed = generate::measure_speed(
      *model, {.tokens = 20, .new_tokens = 2, .warm_up = 5, .runs = 30, .seconds = 0}, job);
  CHECK(speed.warm_up == 1);
  CHECK(speed.first_token.size() == 5);
}

TEST_CASE("timing ends when it is cancelled") {
  const auto model = test::tiny_decoder();
  CountingJob job(3);
  CHECK_THROWS_AS(generate::measure_speed(*model, {.tokens = 20, .new_tokens = 2}, job), Cancelled);
  CHECK(job.told == 3);
}
