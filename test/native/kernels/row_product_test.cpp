#include "kernels/row_product.h"

#include "core/error.h"
#include "core/random.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/linear.h"

using namespace tongueforge;

namespace {

struct Case {
  at::Tensor x, weight, bias;

  Case(int64_t rows, int64_t in, int64_t out, at::ScalarType dtype)
      : x(at::randn({rows, in}).to(dtype)),
        weight(at::randn({out, in}).to(dtype)),
        bias(at::randn({out}).to(dtype)) {}

  at::Tensor run() const { return kernels::row_product(x, weight, bias); }
  at::Tensor expected() const {
    return at::linear(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
  }
};

}  // namespace

TEST_CASE("row products are those of float64, in every size") {
  at::manual_seed(1);
  for (const auto& [dtype, tolerance] : {std::pair(at::kFloat, 2e-6), std::pair(at::kBFloat16, 8e-3)})
    for (const int64_t rows : {1, 2, 3, 4, 7, 33})
      for (const int64_t in : {1, 8, 15, 16, 17, 100, 300})
        for (const int64_t out : {1, 3, 4, 5, 64, 77}) {
          CAPTURE(rows);
          CAPTURE(in);
          CAPTURE(out);
          const Case one(rows, in, out, dtype);
          const auto expected = one.expected();
          const auto scale = at::linear(one.x.abs().to(at::kDouble), one.weight.abs().to(at::kDouble)).max();
          CHECK((one.run() - expected).abs().max().item<double>() <= tolerance * (1 + scale.item<double>()));
        }
}

TEST_CASE("a row gives the same bits alone, in any company, at any place and on any number of threads") {
  const int before = at::get_num_threads();
  for (uint64_t seed = 1; seed <= 30; seed++) {
    CAPTURE(seed);
    at::manual_seed(seed);
    Random random(seed);
    const auto up_to = [&](uint64_t n) { return static_cast<int64_t>(1 + random.next() % n); };
    const Case one(up_to(70), up_to(600), up_to(300), seed % 2 ? at::kFloat : at::kBFloat16);
    at::set_num_threads(static_cast<int>(up_to(2)));
    const auto together = one.run();
    const auto order = at::randperm(one.x.size(0), at::kLong);
    CHECK(at::equal(kernels::row_product(one.x.index_select(0, order), one.weight, one.bias),
                    together.index_select(0, order)));
    for (int64_t row = 0; row < one.x.size(0); row += 7)
      CHECK(at::equal(kernels::row_product(one.x.narrow(0, row, 1), one.weight, one.bias),
                      together.narrow(0, row, 1)));
  }
  at::set_num_threads(before);
}

TEST_CASE("linear layers take each row for itself within a scope, and only there") {
  at::manual_seed(2);
  const Case one(37, 900, 500, at::kFloat);
  {
    const kernels::RowwiseScope scope;
    CHECK(at::equal(kernels::linear(one.x, one.weight, one.bias), one.run()));
  }
  CHECK_FALSE(kernels::RowwiseScope::is_open());
  CHECK_FALSE(at::equal(kernels::linear(one.x, one.weight, one.bias), one.run()));
}
