#include "kernels/query_attention.h"

#include <cmath>
#include <limits>

#include "doctest.h"
#include "kernels/aten.h"

using namespace tongueforge;

namespace {

struct Sizes {
  int64_t batch, heads, kv_heads, head_dim;
};

/// A cache with room behind its positions, where it holds NaN.
struct Drawn {
  at::Tensor q, k, v;

  Drawn(const Sizes& s, int64_t positions, at::ScalarType dtype) {
    const auto cache = [&] {
      const auto all = at::full({s.batch, s.kv_heads, positions + 5, s.head_dim},
                                std::numeric_limits<double>::quiet_NaN(), dtype);
      all.narrow(2, 0, positions).copy_(at::randn({s.batch, s.kv_heads, positions, s.head_dim}));
      return all.narrow(2, 0, positions);
    };
    q = at::randn({s.batch, 1, s.heads, s.head_dim}).to(dtype).transpose(1, 2);
    k = cache(), v = cache();
  }

  at::Tensor run() const { return kernels::query_attention(q, k, v); }

  /// In float64, (B,1,N*H).
  at::Tensor expected() const {
    const auto wide = [&](const at::Tensor& x) {
      return x.to(at::kDouble).repeat_interleave(q.size(1) / k.size(1), 1);
    };
    const auto scores =
        at::matmul(q.to(at::kDouble), wide(k).transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
    return at::matmul(scores.softmax(-1), wide(v)).transpose(1, 2).flatten(2);
  }
};

}  // namespace

TEST_CASE("attention of one query is that of float64, whatever the heads and positions") {
  at::manual_seed(5);
  for (const auto& [dtype, tolerance] : {std::pair(at::kFloat, 5e-6), std::pair(at::kBFloat16, 2e-2)})
    for (const auto& sizes : {Sizes{1, 4, 2, 8}, Sizes{2, 6, 6, 20}, Sizes{1, 8, 1, 64}, Sizes{3, 2, 1, 80}})
      for (const int64_t positions : {1, 3, 16, 17, 100}) {
        CAPTURE(sizes.head_dim);
        CAPTURE(positions);
        const Drawn drawn(sizes, positions, dtype);
        const auto y = drawn.run(), expected = drawn.expected();
        REQUIRE(y.sizes() == expected.sizes());
        CHECK((y.to(at::kDouble) - expected).abs().max().item<double>() <= tolerance);
      }
}

TEST_CASE("one query among large scores stays finite") {
  Drawn drawn({1, 2, 2, 16}, 40, at::kFloat);
  drawn.q.mul_(1000);
  CHECK((drawn.run() - drawn.expected()).abs().max().item<double>() <= 1e-3);
}

TEST_CASE("a sequence has the same attention alone and among others, on one thread and on two") {
  at::manual_seed(6);
  const int before = at::get_num_threads();
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const Drawn drawn({5, 6, 2, 40}, 301, dtype);
    at::set_num_threads(1);
    const auto together = drawn.run();
    for (const int threads : {1, 2}) {
      at::set_num_threads(threads);
      CHECK(drawn.run().equal(together));
      for (int64_t b = 0; b < 5; b++) {
        const auto of = [&](const at::Tensor& x) { return x.narrow(0, b, 1); };
        CHECK(
            kernels::query_attention(of(drawn.q), of(drawn.k), of(drawn.v)).equal(together.narrow(0, b, 1)));
      }
    }
  }
  at::set_num_threads(before);
}

TEST_CASE("one query is taken of float32 and bfloat16 alone, and where no gradient is recorded") {
  const Drawn drawn({1, 2, 2, 8}, 4, at::kFloat);
  CHECK_FALSE(kernels::takes_query_attention(drawn.q, drawn.k, drawn.v));
  const at::NoGradGuard no_grad;
  CHECK(kernels::takes_query_attention(drawn.q, drawn.k, drawn.v));
  CHECK_FALSE(kernels::takes_query_attention(drawn.q.expand({1, 2, 3, 8}), drawn.k, drawn.v));
  CHECK_FALSE(kernels::takes_query_attention(drawn.q, drawn.k.to(at::kBFloat16), drawn.v));
  CHECK_FALSE(
      kernels::takes_query_attention(drawn.q, drawn.k, drawn.v.transpose(2, 3).contiguous().transpose(2, 3)));
  const Drawn doubles({1, 2, 2, 8}, 4, at::kDouble);
  CHECK_FALSE(kernels::takes_query_attention(doubles.q, doubles.k, doubles.v));
}
