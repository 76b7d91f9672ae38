#include "kernels/thin_product.h"

#include "doctest.h"
#include "gpu.h"
#include "kernels/aten.h"

using namespace tongueforge;

namespace {

const std::pair<at::ScalarType, double> kDtypes[] = {
    {at::kBFloat16, 8e-3}, {at::kHalf, 1e-3}, {at::kFloat, 2e-6}};  // one rounding; sums in another order

at::Tensor drawn(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::randn(sizes, at::kDouble).to(dtype).to(at::kDouble);
}

/// Of the largest value.
void check_close(const at::Tensor& ours, const at::Tensor& expected, double tolerance) {
  REQUIRE(ours.sizes() == expected.sizes());
  const double largest = expected.abs().max().item<double>();
  CHECK((ours.to(at::kCPU, at::kDouble) - expected).abs().max().item<double>() <= tolerance * largest);
}

}  // namespace

TEST_CASE("thin products are for a GPU and for passes without gradients") {
  const at::NoGradGuard no_grad;
  const auto x = at::ones({1, 1, 8}), weight = at::ones({4, 8});
  CHECK_FALSE(kernels::takes_thin_product(x, {{weight, {}}}));
}

TEST_CASE(
    "cuda: thin products are those of float64, for all rows, sizes and dtypes, several weights in one "
    "launch") {
  const auto device = test::gpu();
  if (!device) return;
  const at::NoGradGuard no_grad;
  at::manual_seed(1);
  for (const auto& [dtype, tolerance] : kDtypes) {
    for (const int64_t rows : {1, 2, 3, 4}) {
      for (const int64_t in : {8, 264, 2048, 5640}) {
        CAPTURE(dtype);
        CAPTURE(rows);
        CAPTURE(in);
        const auto x = drawn({rows, 1, in}, dtype), bias = drawn({13}, dtype);
        const std::vector<at::Tensor> weights = {drawn({13, in}, dtype), drawn({1, in}, dtype),
                                                 drawn({100, in}, dtype)};
        const auto there = [&, type = dtype](const at::Tensor& t) { return t.to(*device, type); };
        const std::vector<kernels::ThinWeight> all = {
            {there(weights[0]), there(bias)}, {there(weights[1]), {}}, {there(weights[2]), {}}};
        REQUIRE(kernels::takes_thin_product(there(x), all));
        const auto y = kernels::thin_linear(there(x), all);
        check_close(y[0], at::linear(x, weights[0], bias), tolerance);
        check_close(y[1], at::linear(x, weights[1]), tolerance);
        check_close(y[2], at::linear(x, weights[2]), tolerance);
        const auto up = drawn({100, in}, dtype);
        const auto rounded = [&, type = dtype](const at::Tensor& t) { return t.to(type).to(at::kDouble); };
        const auto gate_y = rounded(at::linear(x, weights[2])), up_y = rounded(at::linear(x, up));
        check_close(kernels::thin_gated(there(x), there(weights[2]), there(up)), at::silu(gate_y) * up_y,
                    2 * tolerance);
      }
    }
  }
}

TEST_CASE("cuda: thin products that wait for each other give what they give one by one") {
  const auto device = test::gpu();
  if (!device) return;
  const at::NoGradGuard no_grad;
  at::manual_seed(2);
  const auto weight = (drawn({2048, 2048}, at::kFloat) / 45).to(*device, at::kBFloat16);
  const auto start = drawn({1, 2048}, at::kFloat).to(*device, at::kBFloat16);
  const auto chain = [&](bool waits) {
    auto x = start;
    for (int i = 0; i < 60; i++) {
      x = kernels::thin_linear(x, {{weight, {}}}).front();
      if (waits) x = x.cpu().to(*device);
    }
    return x.cpu();
  };
  const auto expected = chain(true);
  CHECK(expected.isfinite().all().item<bool>());
  for (int i = 0; i < 20; i++) CHECK(at::equal(chain(false), expected));
}
