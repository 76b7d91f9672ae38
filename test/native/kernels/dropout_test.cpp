// Values that are left out: laws of the hash, and of the gradient through it.
#include "kernels/dropout.h"

#include "gpu.h"
#include "kernels/aten.h"

using namespace tongueforge;

TEST_CASE("dropout is a function of key and place, drops its share and keeps the mean") {
  const auto ones = at::ones({400, 500});
  const auto a = kernels::drop(ones, {0.25, 1}), b = kernels::drop(ones, {0.25, 2});
  CHECK(a.equal(kernels::drop(ones, {0.25, 1})));
  CHECK(kernels::drop(ones.slice(0, 0, 1), {0.25, 1}).equal(a.slice(0, 0, 1)));
  CHECK(a.eq(0).to(at::kFloat).mean().item<double>() == doctest::Approx(0.25).epsilon(0.02));
  CHECK(a.mean().item<double>() == doctest::Approx(1).epsilon(0.01));
  // Two keys drop independently: both at a share of 1/16.
  CHECK(a.eq(0).logical_and(b.eq(0)).to(at::kFloat).mean().item<double>() ==
        doctest::Approx(0.0625).epsilon(0.05));
  CHECK(kernels::drop(ones, {0, 1}).equal(ones));
}

TEST_CASE("dropping by plain operators drops the same places, to the bit") {
  const auto x = at::randn({33, 65}, at::detail::createCPUGenerator(8), at::kFloat);
  for (const double rate : {0.0, 0.1, 0.5, 0.999})
    for (const uint64_t key : {uint64_t{0}, uint64_t{1}, uint64_t{0x9e3779b97f4a7c15u}, ~uint64_t{0}}) {
      CAPTURE(rate);
      CAPTURE(key);
      CHECK(kernels::drop_reference(x, {rate, key}).equal(kernels::drop(x, {rate, key})));
    }
}

TEST_CASE("backward drops the places that were dropped, in any dtype and layout") {
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    auto x = at::randn({31, 7}, at::detail::createCPUGenerator(9), at::kFloat).to(dtype).t();
    x.requires_grad_();
    const kernels::DropoutKey dropout = {0.3, 17};
    const auto y = kernels::dropped(x, dropout);
    CHECK((y.scalar_type() == dtype));
    const auto kept = kernels::drop(at::ones({7, 31}), dropout).to(dtype);
    CHECK(y.allclose(x * kept, 1e-2, 1e-6));
    const auto weights = at::randn({7, 31}, at::detail::createCPUGenerator(10), at::kFloat).to(dtype);
    (y * weights).sum().backward();
    CHECK(x.grad().eq(0).equal(kept.eq(0)));
    CHECK(x.grad().allclose(weights * kept, 1e-2, 1e-6));
    CHECK(kernels::dropped(x, {0, 17}).is_same(x));
  }
}

TEST_CASE("cuda: the same places are dropped as on the CPU, to the bit") {
  const auto device = test::gpu();
  if (!device) return;
  for (const int64_t size : {1, 255, 257, 1 << 21}) {
    CAPTURE(size);
    const auto x = at::randn({size}, at::detail::createCPUGenerator(8), at::kFloat);
    for (const auto& dropout : {kernels::DropoutKey{0.1, 1}, {0.5, ~uint64_t{0}}}) {
      CHECK(kernels::drop(x.to(*device), dropout).cpu().equal(kernels::drop(x, dropout)));
      CHECK(kernels::drop_reference(x.to(*device), dropout).cpu().equal(kernels::drop(x, dropout)));
    }
  }
}
