#include "kernels/paged_attention.h"

#include <limits>
#include <numeric>

#include "core/random.h"
#include "doctest.h"
#include "kernels/aten.h"

using namespace tongueforge;

namespace {

constexpr int64_t S = kernels::kPageSize;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Sizes {
  int64_t heads, kv_heads, head_dim;
};

/// Sequences of random keys and values, their pages scattered over a pool that holds NaN elsewhere, and a row
/// at some of their places.
struct Pool {
  Sizes sizes;
  at::ScalarType dtype;
  std::vector<at::Tensor> k_TKH, v_TKH;  // of each sequence
  std::vector<int64_t> first_page;
  kernels::PagedRows paged;
  at::Tensor pool_k, pool_v;

  Pool(const Sizes& sizes, const std::vector<int64_t>& lengths, at::ScalarType dtype, Random& random)
      : sizes(sizes), dtype(dtype) {
    int64_t pages = 3;
    for (const int64_t length : lengths) pages += (length + S - 1) / S;
    std::vector<int32_t> numbers(static_cast<size_t>(pages));
    std::iota(numbers.begin(), numbers.end(), 0);
    for (size_t i = numbers.size() - 1; i > 0; i--) std::swap(numbers[i], numbers[random.next() % (i + 1)]);
    pool_k = at::full({pages, sizes.kv_heads, sizes.head_dim, S}, kNan, dtype);
    pool_v = at::full({pages, sizes.kv_heads, S, sizes.head_dim}, kNan, dtype);
    for (const int64_t length : lengths) {
      for (auto* all : {&k_TKH, &v_TKH})
        all->push_back(at::randn({length, sizes.kv_heads, sizes.head_dim}).to(dtype));
      first_page.push_back(static_cast<int64_t>(paged.pages.size()));
      for (int64_t t = 0; t < length; t += S) paged.pages.push_back(numbers[paged.pages.size()]);
    }
  }

  /// Rows (sequence, place), each with its own key and value.
  at::Tensor run(const std::vector<std::pair<size_t, int64_t>>& rows, const at::Tensor& q, int64_t window) {
    paged.rows.clear();
    std::vector<at::Tensor> k, v;
    for (const auto& [sequence, place] : rows) {
      paged.rows.push_back({first_page[sequence], place});
      k.push_back(k_TKH[sequence][place].unsqueeze(1)), v.push_back(v_TKH[sequence][place].unsqueeze(1));
    }
    return kernels::paged_attention(q, at::stack(k), at::stack(v), pool_k, pool_v, paged, window);
  }

  at::Tensor queries(size_t rows) const {
    return at::randn({static_cast<int64_t>(rows), sizes.heads, 1, sizes.head_dim}).to(dtype);
  }

  /// Writes all places before `end` of a sequence.
  void fill(size_t sequence, int64_t end) {
    std::vector<std::pair<size_t, int64_t>> rows;
    for (int64_t place = 0; place < end; place++) rows.emplace_back(sequence, place);
    if (!rows.empty()) run(rows, queries(rows.size()), 0);
  }

  /// In float64, (N*H).
  at::Tensor expected(size_t sequence, int64_t place, const at::Tensor& q_N1H, int64_t window) const {
    const int64_t first = window > 0 ? std::max<int64_t>(0, place + 1 - window) : 0;
    const auto seen = [&](const at::Tensor& x_TKH) {
      return x_TKH.narrow(0, first, place + 1 - first)
          .to(at::kDouble)
          .transpose(0, 1)
          .repeat_interleave(sizes.heads / sizes.kv_heads, 0);
    };
    const auto scores = at::matmul(q_N1H.to(at::kDouble), seen(k_TKH[sequence]).transpose(1, 2)) /
                        std::sqrt(static_cast<double>(sizes.head_dim));
    return at::matmul(scores.softmax(-1), seen(v_TKH[sequence])).flatten();
  }
};

}  // namespace

TEST_CASE("paged attention is that of float64 over the places that a row sees") {
  at::manual_seed(3);
  Random random(3);
  for (const auto& [dtype, tolerance] : {std::pair(at::kFloat, 5e-6), std::pair(at::kBFloat16, 2e-2)})
    for (const auto& sizes : {Sizes{4, 2, 8}, Sizes{6, 6, 20}, Sizes{8, 1, 64}, Sizes{2, 1, 80}})
      for (const int64_t window : {0, 1, 5, 40}) {
        CAPTURE(sizes.head_dim);
        CAPTURE(window);
        Pool pool(sizes, {1, 31, 32, 33, 100}, dtype, random);
        std::vector<std::pair<size_t, int64_t>> rows;
        for (size_t i = 0; i < pool.k_TKH.size(); i++) {
          pool.fill(i, pool.k_TKH[i].size(0) - 1);
          rows.emplace_back(i, pool.k_TKH[i].size(0) - 1);
        }
        const auto q = pool.queries(rows.size()), y = pool.run(rows, q, window);
        for (size_t i = 0; i < rows.size(); i++) {
          const auto at = static_cast<int64_t>(i);
          const auto expected = pool.expected(i, rows[i].second, q[at], window);
          CHECK((y[at].flatten() - expected).abs().max().item<double>() <= tolerance);
        }
      }
}

TEST_CASE("a row of paged attention gives the same bits token by token, in a block, and in any company") {
  for (uint64_t seed = 1; seed <= 12; seed++) {
    CAPTURE(seed);
    at::manual_seed(seed);
    Random random(seed);
    const auto dtype = seed % 2 ? at::kFloat : at::kBFloat16;
    const int64_t length = 1 + static_cast<int64_t>(random.next() % 90), window = seed % 3 ? 0 : 37;
    Pool pool({4, 2, 24}, {length, 50}, dtype, random);
    pool.fill(1, 49);
    std::vector<std::pair<size_t, int64_t>> rows;
    for (int64_t place = 0; place < length; place++) rows.emplace_back(0, place);
    const auto q = pool.queries(rows.size() + 1);
    rows.emplace_back(1, 49);
    const auto together = pool.run(rows, q, window);
    pool.pool_k.fill_(kNan), pool.pool_v.fill_(kNan);
    for (int64_t place = 0; place < length; place++)
      CHECK(at::equal(pool.run({{0, place}}, q.narrow(0, place, 1), window), together.narrow(0, place, 1)));
  }
}
