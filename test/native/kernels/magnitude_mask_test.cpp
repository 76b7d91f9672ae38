// Laws of magnitude masks, against sorting.
#include "kernels/magnitude_mask.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "doctest.h"
#include "kernels/aten.h"

using namespace tongueforge;
using kernels::MaskScope;

namespace {

// Numbers of few distinct sizes, so that there are many ties, zeros of both signs among them.
at::Tensor random_values(at::IntArrayRef shape, uint64_t seed, bool ties) {
  const auto generator = at::detail::createCPUGenerator(seed);
  const auto values = at::randn(shape, generator, at::kFloat);
  return ties ? (values * 3).round() / 3 : values;
}

// The places of the k smallest, by a stable sort; `already` first.
at::Tensor sorted_mask(const at::Tensor& values, const at::Tensor& already, int64_t k) {
  const auto flat = values.flatten().to(at::kFloat).contiguous();
  const auto earlier = already.flatten().contiguous();
  std::vector<int64_t> order(static_cast<size_t>(flat.numel()));
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](int64_t i) {
    return earlier.const_data_ptr<bool>()[i] ? -1.0f : std::abs(flat.const_data_ptr<float>()[i]);
  };
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return rank(a) < rank(b); });
  auto mask = at::zeros({flat.numel()}, at::kBool);
  for (int64_t i = 0; i < k; i++) mask.mutable_data_ptr<bool>()[order[static_cast<size_t>(i)]] = true;
  return mask.view(values.sizes());
}

int64_t count(const at::Tensor& mask) { return mask.sum().item<int64_t>(); }

at::Tensor none_of(const at::Tensor& values) { return at::zeros(values.sizes(), at::kBool); }

}  // namespace

TEST_CASE("magnitude masks are those of a stable sort, in every scope and type, with and without ties") {
  for (uint64_t seed = 1; seed <= 40; seed++) {
    CAPTURE(seed);
    const bool ties = seed % 2 == 0;
    const auto type = std::array{at::kFloat, at::kBFloat16, at::kHalf}[seed % 3];
    const auto a = random_values({7, 13}, seed, ties).to(type),
               b = random_values({5}, seed + 100, ties).to(type);
    const double share = static_cast<double>(seed % 11) / 10;
    const auto part = [&](const at::Tensor& values) {
      return sorted_mask(values, none_of(values), kernels::share_of(share, values.numel()));
    };
    const auto whole = kernels::smallest({a, b}, MaskScope::global, share);
    const auto all = at::cat({a.flatten(), b});
    CHECK(at::cat({whole[0].flatten(), whole[1]}).equal(part(all)));
    const auto layers = kernels::smallest({a, b}, MaskScope::layer, share);
    CHECK(layers[0].equal(part(a)));
    CHECK(layers[1].equal(part(b)));
    const auto rows = kernels::smallest({a, b}, MaskScope::row, share);
    for (int64_t row = 0; row < 7; row++) CHECK(rows[0][row].equal(part(a[row])));
    CHECK(rows[1].equal(part(b)));
  }
}

TEST_CASE("the number masked is exact, half to even, whatever is equal") {
  CHECK(kernels::share_of(0.5, 5) == 2);  // 2.5, as Python's round()
  CHECK(kernels::share_of(0.5, 7) == 4);  // 3.5
  CHECK(kernels::share_of(0.3, 1001) == 300);
  const auto same = at::full({4, 25}, -2.0f), bias = at::full({10}, 2.0f);
  const auto masks = kernels::smallest({same, bias}, MaskScope::global, 0.93);
  CHECK(count(masks[0]) == 100);  // of equal ones those that stand first
  CHECK(count(masks[1]) == 2);
  CHECK(masks[1].slice(0, 0, 2).all().item<bool>());
  CHECK(count(kernels::smallest({same}, MaskScope::global, 0)[0]) == 0);
  CHECK(count(kernels::smallest({same}, MaskScope::global, 1)[0]) == 100);
}

TEST_CASE("masks grow: what is masked already stays, and comes before exact zeros that live") {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    CAPTURE(seed);
    const auto values = random_values({6, 30}, seed, true);
    std::vector<at::Tensor> before = {none_of(values)};
    for (const double share : {0.1, 0.25, 0.25, 0.6, 0.95}) {
      const auto drifted = random_values({6, 30}, seed + 1000, true);  // not zero where it is masked
      const auto after = kernels::smallest({drifted}, MaskScope::global, share, before);
      CHECK((before[0] & ~after[0]).any().item<bool>() == false);
      CHECK(after[0].equal(sorted_mask(drifted, before[0], kernels::share_of(share, 180))));
      before = after;
    }
    // Less than is masked already frees nothing.
    CHECK(kernels::smallest({values}, MaskScope::global, 0.5, before)[0].equal(before[0]));
  }
}

TEST_CASE("of extreme numbers the order holds: subnormal, infinite, not a number") {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinity = std::numeric_limits<float>::infinity();
  const auto values = at::tensor({nan, -infinity, 1e38f, -1e-45f, -0.0f, 0.0f, 1e-38f, -nan});
  const std::vector<int64_t> order = {4, 5, 3, 6, 2, 1, 0, 7};
  for (int64_t k = 0; k <= 8; k++) {
    const auto mask = kernels::smallest({values}, MaskScope::global, static_cast<double>(k) / 8)[0];
    CAPTURE(k);
    for (int64_t i = 0; i < 8; i++) CHECK(mask[order[static_cast<size_t>(i)]].item<bool>() == (i < k));
  }
}

TEST_CASE("a transposed matrix, an empty tensor and a column of rows are masked by their own places") {
  const auto matrix = random_values({9, 4}, 3, false);
  const auto turned = kernels::smallest({matrix.t()}, MaskScope::row, 0.5)[0];
  CHECK(turned.equal(kernels::smallest({matrix.t().contiguous()}, MaskScope::row, 0.5)[0]));
  CHECK(turned.sum(1).eq(4).all().item<bool>());  // round(4.5) = 4
  for (const auto scope : {MaskScope::global, MaskScope::layer, MaskScope::row})
    CHECK(kernels::smallest({at::empty({0, 3})}, scope, 0.5)[0].numel() == 0);
}

TEST_CASE("a scope or type that is not known is refused") {
  CHECK_THROWS_WITH_AS(kernels::mask_scope_from_name("block"),
                       "Expected scope global, layer or row, received 'block'", Error);
  CHECK(kernels::mask_scope_from_name("row") == MaskScope::row);
  CHECK_THROWS_WITH_AS(kernels::smallest({at::zeros({2}, at::kDouble)}, MaskScope::global, 0.5),
                       "Expected weights in float32, bfloat16 or float16, received Double", Error);
}

TEST_CASE("masks come one after another, and weights may change once theirs is seen") {
  for (const auto scope : {MaskScope::global, MaskScope::layer, MaskScope::row}) {
    const std::vector<at::Tensor> pool = {random_values({7, 9}, 1, true), random_values({30}, 2, true),
                                          random_values({5, 40}, 3, false)};
    const auto masks = kernels::smallest(pool, scope, 0.4);
    size_t next = 0;
    kernels::for_smallest(pool, scope, 0.4, {}, nullptr, [&](size_t i, const at::Tensor& mask) {
      CHECK(i == next++);
      CHECK(mask.equal(masks[i]));
      pool[i].zero_();
    });
    CHECK(next == pool.size());
  }
}
