#include "kernels/greedy_choice.h"

#include <cmath>

#include "doctest.h"
#include "gpu.h"
#include "kernels/aten.h"

using namespace tongueforge;

namespace {

/// Rows of random logits with the greatest several times, with a NaN, and with nothing but minus infinity.
at::Tensor rows_of(int64_t vocabulary) {
  const auto logits = at::randn({4, vocabulary});
  logits[0][vocabulary / 2] = 9, logits[0][vocabulary - 1] = 9;
  logits[1][vocabulary / 3] = NAN;
  logits[2].fill_(-INFINITY);
  return logits;
}

std::pair<at::Tensor, at::Tensor> chosen(const at::Tensor& logits) {
  const auto ids = at::empty({4, 1}, logits.options().dtype(at::kLong));
  const auto best = at::empty({4, 1}, logits.options().dtype(at::kFloat));
  kernels::greedy_choice(logits, ids, best);
  return {ids.cpu(), best.cpu()};
}

}  // namespace

TEST_CASE("the greedy choice is the first of the greatest, or what is no number") {
  at::manual_seed(1);
  const auto logits = rows_of(101);
  const auto [ids, best] = chosen(logits);
  CHECK(ids[0].item<int64_t>() == 50);
  CHECK(best[0].item<float>() == 9);
  CHECK(ids[1].item<int64_t>() == 33);
  CHECK(best[1].isnan().item<bool>());
  CHECK(ids[2].item<int64_t>() == 0);
  CHECK(best[3].item<float>() == logits[3].max().item<float>());
}

TEST_CASE("cuda: the greedy choice is that of the CPU, ties and NaN included") {
  const auto device = test::gpu();
  if (!device) return;
  at::manual_seed(1);
  for (const auto dtype : {at::kBFloat16, at::kHalf, at::kFloat, at::kDouble}) {
    for (const int64_t vocabulary : {1, 7, 1000, 32256, 128259}) {
      CAPTURE(dtype);
      CAPTURE(vocabulary);
      const auto logits = rows_of(vocabulary).to(dtype);
      const auto [ids, best] = chosen(logits);
      const auto [ids_there, best_there] = chosen(logits.to(*device));
      CHECK(at::equal(ids_there, ids));
      CHECK(at::allclose(best_there, best, 0, 0, /*equal_nan=*/true));
    }
  }
}
