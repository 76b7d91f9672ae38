#include "kernels/decode_attention.h"

#include <array>
#include <limits>

#include "doctest.h"
#include "gpu.h"
#include "kernels/aten.h"
#include "kernels/reference.h"

using namespace tongueforge;

namespace {

struct Sizes {
  int64_t batch, heads, kv_heads, capacity, head_dim;
};

/// Random tensors in float64, rounded to a dtype; q, k and v as projections leave them.
struct Step {
  at::Tensor q, k, v, cos, sin, cache_k, cache_v, place;
  int64_t window;
  at::ScalarType rounded;

  Step(const Sizes& s, int64_t at_place, int64_t window, at::ScalarType dtype)
      : window(window), rounded(dtype) {
    const auto heads = [&](int64_t n) {
      return at::randn({s.batch, 1, n, s.head_dim}, at::kDouble).transpose(1, 2);
    };
    q = heads(s.heads), k = heads(s.kv_heads), v = heads(s.kv_heads);
    for (auto* cache : {&cache_k, &cache_v})
      *cache = at::randn({s.batch, s.kv_heads, s.capacity, s.head_dim}, at::kDouble);
    const auto half = at::rand({1, 1, s.capacity, s.head_dim / 2}, at::kDouble) * 7,
               angle = at::cat({half, half}, 3);
    cos = angle.cos(), sin = angle.sin();
    place = at::tensor({at_place}, at::kLong);
    for (auto* tensor : all()) *tensor = tensor->to(dtype).to(at::kDouble);
  }

  Step to(at::Device device, at::ScalarType dtype) const {
    Step moved = *this;
    for (auto* tensor : moved.all())
      *tensor = tensor->to(device, dtype, /*non_blocking=*/false, /*copy=*/true);
    moved.place = place.to(device);
    return moved;
  }

  at::Tensor run() const {
    return kernels::decode_attention(q, k, v, cos, sin, cache_k, cache_v, place, window);
  }

  /// Rounded as a dtype has it, in float64.
  at::Tensor turned(const at::Tensor& x) const {
    const auto there = [&](const at::Tensor& table) { return table.index_select(2, place); };
    return kernels::reference::apply_rotary(x, there(cos), there(sin)).to(rounded).to(at::kDouble);
  }

  std::vector<at::Tensor*> all() { return {&q, &k, &v, &cos, &sin, &cache_k, &cache_v}; }

  /// Over the keys that it sees alone, each head by itself.
  at::Tensor expected() const {
    const int64_t last = place.item<int64_t>(),
                  first = window > 0 ? std::max<int64_t>(0, last + 1 - window) : 0;
    const auto seen = [&](const at::Tensor& cache, const at::Tensor& now) {
      return at::cat({cache.narrow(2, first, last - first), now}, 2)
          .repeat_interleave(q.size(1) / k.size(1), 1);
    };
    const auto scores = at::matmul(turned(q), seen(cache_k, turned(k)).transpose(2, 3)) /
                        std::sqrt(static_cast<double>(q.size(3)));
    return at::matmul(scores.softmax(-1), seen(cache_v, v)).transpose(1, 2).flatten(2);
  }
};

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kCPU, at::kDouble) - b).abs().max().item<double>();
}

}  // namespace

TEST_CASE("attention of the next token sees its own place and those before, as many as the window has") {
  for (const int64_t window : {0, 1, 5}) {
    for (const int64_t place : {0, 1, 7, 19}) {
      CAPTURE(window);
      CAPTURE(place);
      const Step step({2, 6, 3, 20, 8}, place, window, at::kDouble);
      const auto before = step.to(at::kCPU, at::kDouble);
      CHECK(largest_difference(step.run(), before.expected()) < 1e-12);
      CHECK(largest_difference(step.cache_k.narrow(2, place, 1), step.turned(step.k)) < 1e-12);
      auto restored = step.cache_v.clone();
      restored.narrow(2, place, 1).copy_(before.cache_v.narrow(2, place, 1));
      CHECK(at::equal(restored, before.cache_v));
    }
  }
}

TEST_CASE("cuda: attention of the next token is that of float64 on the CPU, in every dtype and size") {
  const auto device = test::gpu();
  if (!device) return;
  const std::pair<at::ScalarType, double> dtypes[] = {
      {at::kBFloat16, 2e-2}, {at::kHalf, 3e-3}, {at::kFloat, 5e-6}, {at::kDouble, 1e-12}};
  const Sizes all[] = {{1, 32, 8, 4096, 64}, {3, 4, 4, 70, 80},   {2, 12, 2, 700, 128}, {1, 9, 1, 129, 96},
                       {2, 20, 2, 300, 40},  {1, 16, 2, 64, 256}, {2, 2, 1, 33, 20}};
  for (const auto& sizes : all) {
    for (const auto& [dtype, tolerance] : dtypes) {
      for (const int64_t place : {int64_t{0}, int64_t{1}, sizes.capacity / 2, sizes.capacity - 1}) {
        for (const int64_t window : {0, 17}) {
          CAPTURE(sizes.head_dim);
          CAPTURE(dtype);
          CAPTURE(place);
          CAPTURE(window);
          const Step step(sizes, place, window, dtype);
          const auto there = step.to(*device, dtype);
          // what lies behind the place is never read
          if (place + 1 < sizes.capacity && dtype != at::kDouble && sizes.head_dim % 8 == 0)
            there.cache_v.narrow(2, place + 1, sizes.capacity - place - 1)
                .fill_(std::numeric_limits<double>::quiet_NaN());
          CHECK(largest_difference(there.run(), step.expected()) <= tolerance);
          CHECK(largest_difference(there.cache_k.narrow(2, place, 1), step.turned(step.k)) <= tolerance);
          CHECK(at::equal(there.cache_v.narrow(2, place, 1), there.v));
        }
      }
    }
  }
}
