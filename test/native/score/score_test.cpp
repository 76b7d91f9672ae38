#include "score/score.h"

#include <cmath>

#include "core/error.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "models/tiny_decoder.h"

using namespace tongueforge;

namespace {

std::vector<int32_t> random_row(int64_t length, uint64_t seed) {
  const auto ids = at::randint(0, 50, {length}, at::detail::createCPUGenerator(seed), at::kInt);
  return {ids.data_ptr<int32_t>(), ids.data_ptr<int32_t>() + length};
}

// -ln p of one token after a context, by one forward pass of its own.
double nll_after(const models::Decoder& model, const std::vector<int32_t>& row, int64_t begin,
                 int64_t target) {
  const at::NoGradGuard no_grad;
  const std::vector<int64_t> context(row.begin() + begin, row.begin() + target);
  const auto hidden = model.hidden(at::tensor(context, at::kLong).unsqueeze(0));
  return -at::log_softmax(model.logits(hidden[0][-1]).to(at::kDouble), 0)[row[target]].item<double>();
}

}  // namespace

TEST_CASE("a row within the window is the sum over its tokens, the first left out") {
  const auto model = test::tiny_decoder();
  const auto row = random_row(20, 1);
  double expected = 0;
  for (int64_t target = 1; target < 20; target++) expected += nll_after(*model, row, 0, target);
  SilentJob job;
  const auto result = score::score(*model, {row}, {}, job)[0];
  CHECK(result.tokens == 19);
  CHECK(result.nll == doctest::Approx(expected).epsilon(1e-5));
}

TEST_CASE("a longer row slides: each token once, with at least window - stride tokens before it") {
  const auto model = test::tiny_decoder();
  const auto row = random_row(45, 2);
  SilentJob job;
  const score::ScoreOptions options{.window = 16, .stride = 6};
  double expected = 0;
  for (int64_t target = 1; target < 45; target++) {
    // the windows: 0..16, then six more tokens at a time
    const int64_t end = target < 16 ? 16 : std::min<int64_t>(45, 16 + (target - 16) / 6 * 6 + 6);
    expected += nll_after(*model, row, std::max<int64_t>(0, end - 16), target);
  }
  const auto result = score::score(*model, {row}, options, job)[0];
  CHECK(result.tokens == 44);
  CHECK(result.nll == doctest::Approx(expected).epsilon(1e-5));
}

TEST_CASE("first_target leaves out what stands before it, and a row of one token scores nothing") {
  const auto model = test::tiny_decoder();
  const auto row = random_row(12, 3);
  SilentJob job;
  double expected = 0;
  for (int64_t target = 7; target < 12; target++) expected += nll_after(*model, row, 0, target);
  const auto result = score::score(*model, {row, {4}}, {.first_target = 7}, job);
  CHECK(result[0].tokens == 5);
  CHECK(result[0].nll == doctest::Approx(expected).epsilon(1e-5));
  CHECK(result[1].tokens == 0);
  CHECK(result[1].nll == 0);
}

TEST_CASE("a model that holds NaN has no score, and says so") {
  const auto model = test::tiny_decoder();
  model->parameters().back().tensor->fill_(NAN);
  SilentJob job;
  CHECK_THROWS_AS(score::score(*model, {random_row(5, 1)}, {}, job), tongueforge::Error);
}
