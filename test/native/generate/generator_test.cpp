#include "generate/generator.h"

#include "core/error.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "models/tiny_decoder.h"

using namespace tongueforge;

namespace {

using Prompts = std::vector<std::vector<int32_t>>;

// Counts what a job hears and stops it after so many items.
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

TEST_CASE("prompts of several lengths give, in their order, what each gives alone") {
  const auto model = test::tiny_decoder();
  const Prompts prompts = {{1, 2, 3}, {4, 5}, {6, 7, 8}, {9}, {10, 11}};
  for (const double temperature : {0.0, 1.0}) {
    generate::GenerateOptions options{.max_new_tokens = 12,
                                      .sampling = {.temperature = temperature, .seed = 3}};
    SilentJob job;
    const auto together = generate::generate(*model, prompts, options, job);
    for (size_t row = 0; row < prompts.size(); row++) {
      auto alone = options;
      alone.sampling.seed += row;
      CHECK(generate::generate(*model, {prompts[row]}, alone, job)[0].ids == together[row].ids);
    }
  }
}

TEST_CASE("a stop id ends its sequence, stays out of it, and leaves the others running") {
  const auto model = test::tiny_decoder();
  const Prompts prompts = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
  SilentJob job;
  const auto free_run = generate::generate(*model, prompts, {.max_new_tokens = 10}, job);
  const int32_t stop = free_run[0].ids[4];
  const auto stopped = generate::generate(*model, prompts, {.max_new_tokens = 10, .stop_ids = {stop}}, job);
  for (size_t row = 0; row < prompts.size(); row++) {
    auto expected = free_run[row].ids;
    const auto found = std::find(expected.begin(), expected.end(), stop);
    CHECK(stopped[row].stopped == (found != expected.end()));
    expected.erase(found, expected.end());
    CHECK(stopped[row].ids == expected);
  }
}

TEST_CASE("streaming emits every token, and a cancelled job ends between two") {
  const auto model = test::tiny_decoder();
  generate::GenerateOptions options{.max_new_tokens = 30, .stream = true};
  CountingJob whole(1000);
  CHECK(generate::generate(*model, {{1}}, options, whole)[0].ids.size() == 30);
  CHECK(whole.items == 30);
  CountingJob cut(5);
  CHECK_THROWS_AS(generate::generate(*model, {{1}}, options, cut), Cancelled);
  CHECK(cut.items == 5);
}

TEST_CASE("an answer ends with the positions of the model, each row by its own length") {
  const auto model = test::tiny_decoder();
  const auto positions = static_cast<size_t>(model->spec().max_positions);
  const auto prompt = [](size_t length) { return std::vector<int32_t>(length, 7); };
  SilentJob job;
  const auto rows = generate::generate(*model, {prompt(positions - 1), prompt(positions - 5), prompt(3)},
                                       {.max_new_tokens = 9}, job);
  for (const auto& [row, count] : {std::pair{0, 1}, {1, 5}, {2, 9}}) {
    CHECK(rows[static_cast<size_t>(row)].ids.size() == static_cast<size_t>(count));
    CHECK_FALSE(rows[static_cast<size_t>(row)].stopped);
  }
  for (const int64_t count : {0, 1})
    CHECK_THROWS_WITH_AS(
        generate::generate(*model, {prompt(3), prompt(positions)}, {.max_new_tokens = count}, job),
        "Expected a prompt of 1 to 63 tokens, received 64 in row 1", Error);
}

TEST_CASE("empty prompts and ids outside the vocabulary are refused by row and place") {
  const auto model = test::tiny_decoder();
  SilentJob job;
  const auto code_of = [&](const Prompts& prompts) -> std::string {
    try {
      generate::generate(*model, prompts, {}, job);
    } catch (const Error& error) { return error.code() + ": " + error.message(); }
    return "accepted";
  };
  CHECK(code_of({{1}, {}}).find("ERR_DATA: Expected at least one token in row 1") == 0);
  CHECK(code_of({{1, 50}}).find("ERR_DATA: Expected token ids from 0 to 49, received 50 in row 0 at 1") == 0);
  CHECK(code_of({{-1}}).find("ERR_DATA") == 0);
}
