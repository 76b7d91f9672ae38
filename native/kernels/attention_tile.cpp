#include "kernels/attention_tile.h"

#include <cmath>

namespace tongueforge::kernels {
namespace {

using namespace simd;

template <int Bytes, class S>
TONGUEFORGE_INLINE S largest_value(const S* row, int64_t n) {
  using L = Lanes<S, Bytes>;
  auto most = typename L::Value{} - static_cast<S>(INFINITY);
  int64_t i = 0;
  for (; i + L::kCount <= n; i += L::kCount) {
    const auto x = L::load(row + i, Whole{});
    most = x > most ? x : most;
  }
  auto result = simd::largest(most);
  for (; i < n; i++) result = std::max(result, row[i]);
  return result;
}

// row -> e^(row - shift); gives the sum.
template <int Bytes, class S>
TONGUEFORGE_INLINE S exponentials(S* row, int64_t n, S shift) {
  using L = Lanes<S, Bytes>;
  typename L::Value sums = {};
  int64_t i = 0;
  for (; i + L::kCount <= n; i += L::kCount) {
    const auto e = simd::exp(L::load(row + i, Whole{}) - shift);
    L::store(row + i, e, Whole{});
    sums += e;
  }
  S rest = 0;
  if (i < n) {
    const auto e = simd::exp(L::load(row + i, Part{n - i}) - shift);
    L::store(row + i, e, Part{n - i});
    for (int64_t lane = 0; lane < n - i; lane++) rest += e[lane];
  }
  return simd::sum(sums) + rest;
}

// Scores and their gradients where visible: p = e^(score - log_sum), grad -> p (grad - delta).
template <int Bytes, class S>
TONGUEFORGE_INLINE void softmax_gradient(S* __restrict scores, S* __restrict grads, int64_t n, S log_sum,
                                         S delta) {
  using L = Lanes<S, Bytes>;
  for_lanes<S, Bytes>(n, [&](int64_t i, auto part) TONGUEFORGE_INLINED {
    const auto p = simd::exp(L::load(scores + i, part) - log_sum);
    L::store(scores + i, p, part);
    L::store(grads + i, p * (L::load(grads + i, part) - delta), part);
  });
}

template <class S>
void zero_around(S* row, int64_t begin, int64_t end, int64_t keys) {
  std::fill(row, row + begin, S{0});
  std::fill(row + end, row + keys, S{0});
}

// Keeps float32 and bfloat16 in one loop: memory of T, registers of Wide<T>.
template <int Bytes, class To, class From>
TONGUEFORGE_INLINE void scaled_copy(To* __restrict to, const From* __restrict from, int64_t n,
                                    Wide<To> scale) {
  for_lanes<To, Bytes>(n, [&](int64_t i, auto part) TONGUEFORGE_INLINED {
    Lanes<To, Bytes>::store(to + i, Lanes<From, Bytes>::load(from + i, part) * scale, part);
  });
}

}  // namespace

template <class T>
void gather_rows(Wide<T>* to, HeadRows<const T> from, int64_t filled, int64_t rows, int64_t h, double scale) {
  vectorised([&](auto width) TONGUEFORGE_INLINED {
    for (int64_t t = 0; t < filled; t++)
      scaled_copy<width()>(to + t * h, from.data + t * from.stride, h, static_cast<Wide<T>>(scale));
  });
  std::fill(to + filled * h, to + rows * h, Wide<T>{0});
}

template <class T>
void scatter_rows(HeadRows<T> to, const Wide<T>* from, int64_t rows, int64_t h, const Wide<T>* scale) {
  vectorised([&](auto width) TONGUEFORGE_INLINED {
    for (int64_t t = 0; t < rows; t++)
      scaled_copy<width()>(to.data + t * to.stride, from + t * h, h, scale ? scale[t] : Wide<T>{1});
  });
}

template <class S>
void softmax_tile(const TileShape& tile, S* scores, S* sums, S* log_sums) {
  vectorised([&](auto width) TONGUEFORGE_INLINED {
    for (int64_t r = 0; r < tile.rows(); r++) {
      const int64_t t = r % tile.height;
      const bool is_padding = t >= tile.queries;
      const int64_t begin = is_padding ? 0 : tile.visible_begin(t),
                    end = is_padding ? 0 : tile.visible_end(t);
      S* row = scores + r * tile.keys;
      zero_around(row, begin, end, tile.keys);
      if (is_padding) continue;
      const S most = largest_value<width()>(row + begin, end - begin);
      sums[r] = exponentials<width()>(row + begin, end - begin, most);
      log_sums[r] = most + std::log(sums[r]);
    }
  });
}

template <class S>
void softmax_gradient_tile(const TileShape& tile, S* scores, S* grads, const S* log_sums, const S* deltas) {
  vectorised([&](auto width) TONGUEFORGE_INLINED {
    for (int64_t r = 0; r < tile.rows(); r++) {
      const int64_t t = r % tile.height;
      const bool is_padding = t >= tile.queries;
      const int64_t begin = is_padding ? 0 : tile.visible_begin(t),
                    end = is_padding ? 0 : tile.visible_end(t);
      for (S* row : {scores + r * tile.keys, grads + r * tile.keys}) zero_around(row, begin, end, tile.keys);
      const int64_t first = r * tile.keys + begin;
      if (!is_padding)
        softmax_gradient<width()>(scores + first, grads + first, end - begin, log_sums[r], deltas[r]);
    }
  });
}

template <class S>
void row_products(S* sums, const S* a, const S* b, int64_t rows, int64_t h) {
  using namespace simd;
  vectorised([&](auto width) TONGUEFORGE_INLINED {
    using L = Lanes<S, width()>;
    for (int64_t r = 0; r < rows; r++) {
      typename L::Value total = {};
      for_lanes<S, width()>(h, [&](int64_t i, auto part) TONGUEFORGE_INLINED {
        total += L::load(a + r * h + i, part) * L::load(b + r * h + i, part);
      });
      sums[r] = simd::sum(total);
    }
  });
}

#define TONGUEFORGE_FOR_STORAGE(T)                                                              \
  template void gather_rows<T>(Wide<T>*, HeadRows<const T>, int64_t, int64_t, int64_t, double); \
  template void scatter_rows<T>(HeadRows<T>, const Wide<T>*, int64_t, int64_t, const Wide<T>*);
TONGUEFORGE_FOR_STORAGE(float)
TONGUEFORGE_FOR_STORAGE(double)
TONGUEFORGE_FOR_STORAGE(c10::BFloat16)

#define TONGUEFORGE_FOR_SUMS(S)                                                         \
  template void softmax_tile<S>(const TileShape&, S*, S*, S*);                          \
  template void softmax_gradient_tile<S>(const TileShape&, S*, S*, const S*, const S*); \
  template void row_products<S>(S*, const S*, const S*, int64_t, int64_t);
TONGUEFORGE_FOR_SUMS(float)
TONGUEFORGE_FOR_SUMS(double)

}  // namespace tongueforge::kernels
