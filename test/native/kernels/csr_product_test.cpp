// Products with the values of a matrix that are not zero, against the products with all of them.
#include "kernels/csr_product.h"

#include "doctest.h"
#include "kernels/aten.h"

using namespace tongueforge;

namespace {

at::Generator random(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

at::Tensor sparse_matrix(int64_t outputs, int64_t inputs, double zeros, uint64_t seed) {
  const auto kept = at::rand({outputs, inputs}, random(seed), at::kFloat) >= zeros;
  return at::randn({outputs, inputs}, random(seed + 1), at::kFloat) * kept;
}

// Sums of n products of float32, added up in another order: some n * 6e-8 apart at worst, far less as a rule.
void check_close(const at::Tensor& received, const at::Tensor& expected) {
  REQUIRE(received.sizes() == expected.sizes());
  const double largest = std::max(1.0, expected.abs().max().item<double>());
  REQUIRE((received - expected).abs().max().item<double>() <= 1e-5 * largest);
}

}  // namespace

TEST_CASE("a product with the non-zeros is the product, for every number of rows and shape") {
  for (uint64_t seed = 1; seed <= 2; seed++)
    for (const int64_t outputs : {1, 15, 16, 17, 70})
      for (const int64_t inputs : {1, 7, 16, 65})
        for (const double zeros : {0.0, 0.5, 0.95}) {
          CAPTURE(seed);
          CAPTURE(outputs);
          CAPTURE(inputs);
          CAPTURE(zeros);
          const auto w = sparse_matrix(outputs, inputs, zeros, seed);
          const auto csr = kernels::csr_matrix(w);
          const auto bias = at::randn({outputs}, random(seed + 2), at::kFloat);
          for (const int64_t rows : {1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 65, 100}) {
            const auto x = at::randn({rows, inputs}, random(seed + 3), at::kFloat);
            check_close(kernels::csr_linear(x, csr, {}), at::linear(x, w));
            check_close(kernels::csr_linear(x, csr, bias), at::linear(x, w, bias));
          }
        }
}

TEST_CASE("only the non-zeros are kept, and empty rows and matrices have products") {
  const auto w = sparse_matrix(40, 30, 0.9, 5);
  w[3].zero_();
  const auto csr = kernels::csr_matrix(w);
  CHECK(static_cast<int64_t>(csr.values.size()) == at::count_nonzero(w).item<int64_t>());
  CHECK(csr.begins[3] == csr.begins[4]);
  const auto none = kernels::csr_matrix(at::zeros({5, 6}));
  CHECK(none.values.empty());
  CHECK(kernels::csr_linear(at::ones({4, 6}), none, {}).equal(at::zeros({4, 5})));
  CHECK(kernels::csr_linear(at::ones({0, 6}), none, {}).sizes() == at::IntArrayRef({0, 5}));
}

TEST_CASE("rows may be laid out in any way, and come back in the sizes of x") {
  const auto w = sparse_matrix(20, 12, 0.6, 7);
  const auto csr = kernels::csr_matrix(w.t().contiguous().t());
  const auto x = at::randn({12, 5, 4}, random(8), at::kFloat).permute({2, 1, 0});
  check_close(kernels::csr_linear(x, csr, {}), at::linear(x, w));
}

TEST_CASE("the same bytes on one thread and on two") {
  const auto csr = kernels::csr_matrix(sparse_matrix(1000, 400, 0.7, 9));
  for (const int64_t rows : {1, 5, 70}) {
    const auto x = at::randn({rows, 400}, random(10), at::kFloat);
    at::set_num_threads(2);
    const auto two = kernels::csr_linear(x, csr, {});
    at::set_num_threads(1);
    CHECK(kernels::csr_linear(x, csr, {}).equal(two));
  }
}

TEST_CASE("NaN in an input reaches every output that uses it, and no other") {
  auto w = at::zeros({3, 4});
  w[0][1] = 2.0f, w[1][2] = 3.0f, w[2][1] = -1.0f;
  for (const int64_t rows : {1, 4}) {
    auto x = at::ones({rows, 4});
    x[0][1] = NAN;
    const auto y = kernels::csr_linear(x, kernels::csr_matrix(w), {});
    CHECK(y[0][0].isnan().item<bool>());
    CHECK(y[0][1].item<float>() == 3);
    CHECK(y[0][2].isnan().item<bool>());
    if (rows > 1) CHECK(y[1][0].item<float>() == 2);
  }
}
