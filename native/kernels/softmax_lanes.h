// Vector loops over one row of logits, for the losses of softmax_rows.cpp and distillation_rows.cpp.
#pragma once
#include "kernels/dispatch.h"
#include "kernels/simd.h"

namespace tongueforge::kernels::simd {

template <int Bytes, class T>
TONGUEFORGE_INLINE Wide<T> largest_of_row(const T* __restrict row, int64_t v) {
  using L = Lanes<T, Bytes>;
  const typename L::Value zero = {};
  auto most = zero - static_cast<Wide<T>>(INFINITY);
  for (int64_t i = 0; i + L::kCount <= v; i += L::kCount) {
    const auto x = L::load(row + i, Whole{});
    most = x > most ? x : most;
  }
  auto result = simd::largest(most);
  for (int64_t i = v - v % L::kCount; i < v; i++) result = std::max(result, static_cast<Wide<T>>(row[i]));
  return result;
}

/// log sum exp of scale x, for scale above 0.
template <int Bytes, class T>
TONGUEFORGE_INLINE Wide<T> log_sum_exp(const T* __restrict row, int64_t v, Wide<T> scale = 1) {
  using L = Lanes<T, Bytes>;
  const auto most = scale * largest_of_row<Bytes>(row, v);
  typename L::Value total = {};
  int64_t i = 0;
  for (; i + L::kCount <= v; i += L::kCount) total += simd::exp(L::load(row + i, Whole{}) * scale - most);
  auto rest = simd::sum(total);
  for (; i < v; i++) rest += std::exp(static_cast<Wide<T>>(row[i]) * scale - most);
  return most + std::log(rest);
}

/// loop(width, row) for every row, on several threads where rows are many.
template <class RowLoop>
void for_rows(int64_t rows, int64_t length, const RowLoop& loop) {
  at::parallel_for(0, rows, rows_per_thread(length), [&](int64_t begin, int64_t end) {
    vectorised([&](auto width) TONGUEFORGE_INLINED {
      for (int64_t row = begin; row < end; row++) loop(width, row);
    });
  });
}

}  // namespace tongueforge::kernels::simd
