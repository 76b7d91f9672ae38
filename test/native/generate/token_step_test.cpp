// Generation as a GPU does it, step by step over a cache of fixed size: here on the CPU too.
#include "generate/token_step.h"

#include <c10/core/CachingDeviceAllocator.h>

#include <future>

#include "core/error.h"
#include "doctest.h"
#include "generate/greedy.h"
#include "generate/prefill.h"
#include "gpu.h"
#include "models/tiny_decoder.h"

using namespace tongueforge;

namespace {

using Prompts = std::vector<std::vector<int32_t>>;

models::DecoderSpec spec_of(int64_t window) {
  auto spec = test::tiny_spec(window);
  spec.max_positions = 1024;
  return spec;
}

std::vector<std::vector<int32_t>> ids_of(const std::vector<generate::Generated>& all) {
  std::vector<std::vector<int32_t>> ids;
  for (const auto& one : all) ids.push_back(one.ids);
  return ids;
}

std::vector<generate::Generated> without_waiting(const models::Decoder& model, const Prompts& prompts,
                                                 const generate::GenerateOptions& options, Job& job) {
  const at::NoGradGuard no_grad;
  std::vector<generate::Generated> results(prompts.size());
  std::vector<size_t> rows(prompts.size());
  for (size_t i = 0; i < rows.size(); i++) rows[i] = i;
  generate::Sequences sequences(prompts, rows, options, job, results);
  generate::run_greedily(model, sequences, options.max_new_tokens, job);
  return results;
}

class CountingJob final : public Job {
 public:
  explicit CountingJob(int stop_after) : stop_after_(stop_after) {}
  bool cancelled() const override { return items >= stop_after_; }
  void progress(Value) override {}
  void emit(Value) override { items++; }
  int items = 0;

 private:
  int stop_after_;
};

}  // namespace

TEST_CASE(
    "steps over a cache of fixed size give the logits of a pass over the whole row, whatever the room") {
  const at::NoGradGuard no_grad;
  SilentJob job;
  for (const int64_t window : {0, 6}) {
    CAPTURE(window);
    const auto model = test::tiny_decoder(spec_of(window));
    const Prompts prompts = {{1, 2, 3}, {4, 5, 6}};
    // room for two tokens at first: it has to grow
    auto filled = generate::prefill(*model, prompts, 2, job);
    auto ids_BT = at::tensor({1, 2, 3, 4, 5, 6}, at::kLong).view({2, 3});
    const auto next = [&](const at::Tensor& logits_BV) { return logits_BV.argmax(1, true); };
    generate::TokenStep step(*model, filled.cache, next(filled.logits_BV), /*greedy=*/false);
    for (int i = 0; i < 20; i++) {
      CAPTURE(i);
      ids_BT = at::cat({ids_BT, step.ids()}, 1);
      step.run();
      const auto expected = model->logits(model->hidden(ids_BT).select(1, -1));
      CHECK((step.logits() - expected).abs().max().item<double>() < 1e-4);
      at::Tensor(step.ids()).copy_(next(step.logits()));
      if (i != 9) continue;
      step.keep({1});
      ids_BT = ids_BT.narrow(0, 1, 1);
    }
  }
}

TEST_CASE("greedy generation that does not wait says what the plain one says, stops included") {
  const auto model = test::tiny_decoder(spec_of(0));
  const Prompts prompts = {{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}};
  SilentJob job;
  const auto free_run = generate::generate(*model, prompts, {.max_new_tokens = 40}, job);
  CHECK(ids_of(without_waiting(*model, prompts, {.max_new_tokens = 40}, job)) == ids_of(free_run));
  CHECK(without_waiting(*model, prompts, {.max_new_tokens = 1}, job)[3].ids.size() == 1);
  for (const size_t row : {0, 2, 4}) {
    generate::GenerateOptions options{.max_new_tokens = 40};
    options.stop_ids = {free_run[row].ids[7], free_run[1].ids[20]};
    const auto expected = generate::generate(*model, prompts, options, job);
    const auto ours = without_waiting(*model, prompts, options, job);
    CHECK(ids_of(ours) == ids_of(expected));
    for (size_t i = 0; i < prompts.size(); i++) CHECK(ours[i].stopped == expected[i].stopped);
  }
}

TEST_CASE("greedy generation that does not wait ends between two tokens, and says what is no number") {
  const auto model = test::tiny_decoder(spec_of(0));
  generate::GenerateOptions options{.max_new_tokens = 30, .stream = true};
  CountingJob cut(5);
  CHECK_THROWS_AS(without_waiting(*model, {{1}}, options, cut), Cancelled);
  CHECK(cut.items == 5);
  const at::NoGradGuard no_grad;
  for (auto& parameter : model->parameters())
    if (parameter.name == "model.norm.weight") parameter.tensor->fill_(NAN);
  SilentJob job;
  CHECK_THROWS_AS(without_waiting(*model, {{1}}, options, job), Error);
}

TEST_CASE(
    "cuda: greedy text is that of the CPU in float32, ragged prompts, stops and a growing cache included") {
  const auto device = test::gpu();
  if (!device) return;
  for (const int64_t window : {0, 6}) {
    CAPTURE(window);
    const auto model = test::tiny_decoder(spec_of(window));
    const Prompts prompts = {{1, 2, 3}, {4, 5}, {6, 7, 8}, {9, 8, 7}, {10, 11}, {12, 3, 4}};
    SilentJob job;
    generate::GenerateOptions options{.max_new_tokens = 300};
    const auto free_run = generate::generate(*model, prompts, options, job);
    options.stop_ids = {free_run[0].ids[9], free_run[1].ids[30]};
    const auto expected = generate::generate(*model, prompts, options, job);
    options.stop_ids = {};
    models::move_to(*model, *device);
    CHECK(ids_of(generate::generate(*model, prompts, options, job)) == ids_of(free_run));
    options.stop_ids = {free_run[0].ids[9], free_run[1].ids[30]};
    const auto stopped = generate::generate(*model, prompts, options, job);
    CHECK(ids_of(stopped) == ids_of(expected));
    options.sampling.repetition_penalty = 1.0000001;  // the host chooses
    CHECK(ids_of(generate::generate(*model, prompts, options, job)) == ids_of(expected));
  }
}

TEST_CASE(
    "cuda: sampling draws what the CPU draws, streaming can be cancelled, and a second run is the same") {
  const auto device = test::gpu();
  if (!device) return;
  const auto model = test::tiny_decoder(spec_of(0));
  generate::GenerateOptions options{.max_new_tokens = 60,
                                    .sampling = {.temperature = 1, .top_k = 8, .seed = 5}};
  const Prompts prompts = {{1, 2}, {3, 4}, {5}};
  SilentJob job;
  const auto expected = generate::generate(*model, prompts, options, job);
  models::move_to(*model, *device);
  CHECK(ids_of(generate::generate(*model, prompts, options, job)) == ids_of(expected));
  options.sampling = {}, options.stream = true;
  CountingJob cut(20);
  CHECK_THROWS_AS(generate::generate(*model, prompts, options, cut), Cancelled);
  options.stream = false;
  const auto first = generate::generate(*model, prompts, options, job);
  CHECK(ids_of(generate::generate(*model, prompts, options, job)) == ids_of(first));
}

TEST_CASE("cuda: the memory that recorded steps had for themselves is given back with them") {
  const auto device = test::gpu();
  if (!device) return;
  const auto model = test::tiny_decoder(spec_of(0));
  models::move_to(*model, *device);
  SilentJob job;
  const auto kept = [] {
    return c10::getDeviceAllocator(at::kCUDA)->getDeviceStats(0).reserved_bytes[0].current;
  };
  // Sampled sequences that end at several times, and more tokens than the cache has room for at first, have
  // the step recorded anew while its logits are at hand.
  const std::vector<generate::GenerateOptions> cases = {
      {.max_new_tokens = 40},
      {.max_new_tokens = 40, .sampling = {.temperature = 1}},
      {.max_new_tokens = 40, .stop_ids = {0, 1, 2}, .sampling = {.temperature = 1}},
      {.max_new_tokens = 300, .sampling = {.temperature = 1}},
  };
  for (const auto& options : cases) {
    CAPTURE(options.max_new_tokens);
    CAPTURE(options.stop_ids.size());
    CAPTURE(options.sampling.temperature);
    const auto generate = [&] { generate::generate(*model, {{1, 2, 3}, {4, 5, 1}, {4, 5}}, options, job); };
    // A recording takes the next of 32 streams, and the allocator keeps memory for each of them.
    for (int i = 0; i < 40; i++) generate();
    const auto before = kept();
    for (int i = 0; i < 5; i++) generate();
    CHECK(kept() == before);
  }
}

TEST_CASE("cuda: several threads generate at a time, each as if it were alone") {
  const auto device = test::gpu();
  if (!device) return;
  const auto model = test::tiny_decoder(spec_of(0));
  models::move_to(*model, *device);
  SilentJob job;
  const generate::GenerateOptions options{.max_new_tokens = 300, .sampling = {.temperature = 1, .seed = 3}};
  const auto alone = ids_of(generate::generate(*model, {{1, 2, 3}}, options, job));
  std::vector<std::future<bool>> threads;
  for (int i = 0; i < 8; i++)
    threads.push_back(std::async(std::launch::async, [&] {
      SilentJob own;
      for (int round = 0; round < 10; round++)
        if (ids_of(generate::generate(*model, {{1, 2, 3}}, options, own)) != alone) return false;
      return true;
    }));
  for (auto& thread : threads) CHECK(thread.get());  // throws what the thread has thrown
}
