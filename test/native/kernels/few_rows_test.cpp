// Linear layers on a few rows, at every level of instructions that this machine has.
#include "kernels/few_rows.h"

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/linear.h"

using namespace tongueforge;

namespace {

at::Generator random(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

at::Tensor drawn(at::IntArrayRef sizes, at::ScalarType dtype, uint64_t seed) {
  return at::randn(sizes, random(seed), at::kFloat).to(dtype);
}

std::vector<Instructions> levels() {
  std::vector<Instructions> all = {Instructions::Any};
  if (instructions() >= Instructions::Avx2) all.push_back(Instructions::Avx2);
  if (instructions() >= Instructions::Avx512) all.push_back(Instructions::Avx512);
  return all;
}

// Sums of float32 in another order: 2^-24 for each of I additions at worst, of the sum of sizes; then one
// rounding of the dtype, half an ulp.
void check_close(const at::Tensor& ours, const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias) {
  const auto wide = [](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
  const auto of = [&](const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
    return c.defined() ? at::linear(a, b, c) : at::linear(a, b);
  };
  const auto exact = of(wide(x), wide(w), wide(bias));
  const auto terms = of(wide(x).abs(), wide(w).abs(), bias.defined() ? wide(bias).abs() : bias);
  const double half_ulp = ours.scalar_type() == at::kFloat ? 6e-8 : 3.92e-3;
  REQUIRE(ours.sizes() == exact.sizes());
  const auto most = terms * (static_cast<double>(x.size(-1) + 2) * 6e-8) + exact.abs() * half_ulp;
  CHECK((ours.to(at::kDouble) - exact).abs().le(most).all().item<bool>());
}

constexpr at::ScalarType kDtypes[] = {at::kFloat, at::kBFloat16};

}  // namespace

TEST_CASE("few rows give the linear layer of float64, for every number of rows, size, dtype and level") {
  for (const auto dtype : kDtypes)
    for (const auto level : levels())
      for (const int64_t inputs : {1, 16, 33, 172})
        for (const int64_t outputs : {1, 3, 4, 5, 38}) {
          const auto w = drawn({outputs, inputs}, dtype, 1), bias = drawn({outputs}, dtype, 2);
          for (const int64_t rows : {1, 2, 3, 4, 7, 33}) {
            CAPTURE(dtype);
            CAPTURE(static_cast<int>(level));
            CAPTURE(inputs);
            CAPTURE(outputs);
            CAPTURE(rows);
            const auto x = drawn({rows, inputs}, dtype, 3);
            check_close(kernels::few_rows_linear(x, w, {}, level), x, w, {});
            check_close(kernels::few_rows_linear(x, w, bias, level), x, w, bias);
          }
        }
}

TEST_CASE("a row gives the same bits alone and among others, in any place, on one thread and on two") {
  for (const auto dtype : kDtypes)
    for (const auto level : levels())
      for (const auto& [inputs, outputs] : {std::pair<int64_t, int64_t>{172, 61}, {400, 1031}}) {
        CAPTURE(dtype);
        CAPTURE(static_cast<int>(level));
        CAPTURE(inputs);
        const auto w = drawn({outputs, inputs}, dtype, 4), bias = drawn({outputs}, dtype, 5);
        const auto x = drawn({33, inputs}, dtype, 6);
        const int before = at::get_num_threads();
        at::set_num_threads(1);
        std::vector<at::Tensor> alone;
        for (int64_t m = 0; m < x.size(0); m++)
          alone.push_back(kernels::few_rows_linear(x.narrow(0, m, 1), w, bias, level));
        const auto expected = at::cat(alone);
        for (const int threads : {1, 2}) {
          at::set_num_threads(threads);
          for (const int64_t rows : {1, 2, 3, 4, 6, 31, 32, 33}) {
            const int64_t first = x.size(0) - rows;
            CAPTURE(rows);
            CHECK(kernels::few_rows_linear(x.narrow(0, first, rows), w, bias, level)
                      .equal(expected.narrow(0, first, rows)));
          }
        }
        at::set_num_threads(before);
      }
}

TEST_CASE("several weights side by side give the bits of each alone, on one thread and on two") {
  for (const auto dtype : kDtypes)
    for (const auto level : levels()) {
      std::vector<kernels::ThinWeight> weights;
      for (const int64_t outputs : {700, 1, 3, 900})
        weights.push_back(
            {drawn({outputs, 210}, dtype, 12), outputs == 3 ? at::Tensor() : drawn({outputs}, dtype, 13)});
      const int before = at::get_num_threads();
      for (const int64_t rows : {1, 3, 32})
        for (const int threads : {1, 2}) {
          at::set_num_threads(threads);
          const auto x = drawn({rows, 1, 210}, dtype, 14);
          const auto all = kernels::few_rows_linears(x, weights, level);
          REQUIRE(all.size() == weights.size());
          for (size_t i = 0; i < all.size(); i++) {
            CAPTURE(i);
            const auto alone = kernels::few_rows_linear(x, weights[i].weight, weights[i].maybe_bias, level);
            CHECK(all[i].sizes() == alone.sizes());
            CHECK(all[i].equal(alone));
          }
        }
      at::set_num_threads(before);
    }
}

TEST_CASE("few rows may lie anywhere: views that are not dense or not aligned, weights of a larger matrix") {
  for (const auto dtype : kDtypes)
    for (const auto level : levels()) {
      const auto all = drawn({40, 101}, dtype, 7);
      const auto w = all.slice(0, 3, 33).slice(1, 1, 70);
      const auto x = drawn({69, 2, 3}, dtype, 8).permute({2, 1, 0});
      const auto bias = drawn({31}, dtype, 9).slice(0, 1);
      check_close(kernels::few_rows_linear(x, w, bias, level), x, w, bias);
      CHECK(kernels::few_rows_linear(x, w, bias, level)
                .equal(kernels::few_rows_linear(x.contiguous(), w.contiguous(), bias.clone(), level)));
    }
}

TEST_CASE("NaN and infinity go through, to the outputs of their row alone") {
  for (const auto dtype : kDtypes)
    for (const auto level : levels()) {
      const auto w = at::ones({5, 40}, dtype), x = at::ones({6, 40}, dtype);
      x[1][39] = std::numeric_limits<float>::quiet_NaN();
      x[4][0] = std::numeric_limits<float>::infinity();
      const auto y = kernels::few_rows_linear(x, w, {}, level).to(at::kFloat);
      CHECK(y[1].isnan().all().item<bool>());
      CHECK(y[4].isinf().all().item<bool>());
      for (const int64_t m : {0, 2, 3, 5}) CHECK(y[m].equal(at::full({5}, 40.0f)));
    }
}

TEST_CASE("few rows are taken of float32 and bfloat16 alone, up to a number, and never of mixed dtypes") {
  const at::NoGradGuard no_grad;
  const auto x = at::ones({1, 1, 8}), w = at::ones({4, 8});
  CHECK(kernels::takes_few_rows(x, w, {}));
  CHECK(kernels::takes_few_rows(at::ones({kernels::kFewRows, 8}), w, at::ones({4})));
  CHECK(kernels::takes_few_rows(x.to(at::kBFloat16), w.to(at::kBFloat16), {}));
  CHECK_FALSE(kernels::takes_few_rows(at::ones({kernels::kFewRows + 1, 8}), w, {}));
  CHECK_FALSE(kernels::takes_few_rows(at::ones({0, 8}), w, {}));
  CHECK_FALSE(kernels::takes_few_rows(x, at::ones({0, 8}), {}));
  CHECK_FALSE(kernels::takes_few_rows(at::ones({1, 0}), at::ones({4, 0}), {}));
  CHECK_FALSE(kernels::takes_few_rows(at::ones({1, 7}), w, {}));  // ATen refuses it
  CHECK_FALSE(kernels::takes_few_rows(x.to(at::kDouble), w.to(at::kDouble), {}));
  CHECK_FALSE(kernels::takes_few_rows(x.to(at::kHalf), w.to(at::kHalf), {}));
  CHECK_FALSE(kernels::takes_few_rows(x.to(at::kBFloat16), w, {}));
  CHECK_FALSE(kernels::takes_few_rows(x, w, at::ones({4}, at::kBFloat16)));
  CHECK_FALSE(kernels::takes_few_rows(x, at::ones({8, 4}).t(), {}));
}

TEST_CASE("linear() takes few rows where nothing is recorded, and as many rows' products where it will be") {
  const auto x = drawn({3, 300}, at::kFloat, 10), w = drawn({20, 300}, at::kFloat, 11);
  const auto few = kernels::few_rows_linear(x, w, {});
  const auto many = at::linear(x, w);
  REQUIRE_FALSE(few.equal(many));  // the order of sums differs: else this test sees nothing
  CHECK(kernels::linear(x, w).equal(many));
  const at::NoGradGuard no_grad;
  CHECK(kernels::linear(x, w).equal(few));
  const kernels::AsRecordedScope scope;
  CHECK(kernels::linear(x, w).equal(many));
}
