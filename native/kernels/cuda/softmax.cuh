// What the kernels over rows of logits share: accesses of rows that may begin anywhere, and log sum exp in
// one pass. A block of threads has a row.
#pragma once
#include <algorithm>

#include "kernels/cuda/common.cuh"

namespace tongueforge::kernels::cuda {

/// The most threads that share a row; float64 takes more registers.
template <class T>
inline constexpr int kMostRowThreads = sizeof(T) == 8 ? 512 : 1024;

/// Threads for a row of `length` elements of T, so that each has a few accesses.
template <class T>
int threads_for_row(int64_t length) {
  int threads = 64;
  while (threads < kMostRowThreads<T> && threads * 4 * kPerAccess<T> < length) threads *= 2;
  return threads;
}

/// A row by its parts: elements before the first address of 16 bytes, vectors, elements behind them.
template <class T>
struct RowParts {
  int64_t before, vectors, length;

  __device__ RowParts(const T* row, int64_t n) : length(n) {
    const int64_t offset = reinterpret_cast<uintptr_t>(row) % 16 / sizeof(T);
    before = min(n, offset == 0 ? int64_t{0} : kPerAccess<T> - offset);
    vectors = (n - before) / kPerAccess<T>;
  }
  __device__ int64_t behind() const { return before + vectors * kPerAccess<T>; }
};

/// visit(first element, values) for all elements of a row, N at a time, N of 1 or an access of 16 bytes; each
/// thread of the block has its share.
template <class T, class Visit>
__device__ void read_row(const T* row, int64_t n, const Visit& visit) {
  const RowParts<T> parts(row, n);
  const auto single = [&](int64_t i) { visit(i, Vector<T, 1>{{row[i]}}); };
  for (int64_t i = threadIdx.x; i < parts.before; i += blockDim.x) single(i);
  for (int64_t i = threadIdx.x; i < parts.vectors; i += blockDim.x)
    visit(parts.before + i * kPerAccess<T>, Vector<T>::load(row + parts.before, i));
  for (int64_t i = parts.behind() + threadIdx.x; i < n; i += blockDim.x) single(i);
}

/// row <- change(index, value, wide) of each element, in place.
template <class T, class Change>
__device__ void change_row(T* row, int64_t n, const Change& change) {
  const RowParts<T> parts(row, n);
  const auto single = [&](int64_t i) { row[i] = from_wide<T>(change(i, to_wide(row[i]))); };
  for (int64_t i = threadIdx.x; i < parts.before; i += blockDim.x) single(i);
  for (int64_t i = threadIdx.x; i < parts.vectors; i += blockDim.x) {
    auto v = Vector<T>::load(row + parts.before, i);
    const int64_t first = parts.before + i * kPerAccess<T>;
#pragma unroll
    for (int j = 0; j < kPerAccess<T>; j++) v.at[j] = from_wide<T>(change(first + j, to_wide(v.at[j])));
    v.store(row + parts.before, i);
  }
  for (int64_t i = parts.behind() + threadIdx.x; i < n; i += blockDim.x) single(i);
}

/// e^x for values that were read as T: of 16 bits, the fast function.
template <class T>
__device__ Wide<T> exp_of(Wide<T> x) {
  if constexpr (sizeof(T) == 2)
    return __expf(x);
  else
    return exp(x);
}

/// A sum of exponentials over the largest exponent so far (Milakov & Gimelshein 2018, arXiv 1805.02867).
/// NaN and +infinity make the sum NaN; -infinity adds nothing.
template <class T>
struct OnlineSum {
  Wide<T> most = -INFINITY, sum = 0;

  template <int N>
  __device__ void add(const Vector<T, N>& values, Wide<T> scale) {
    Wide<T> most_here = most;
#pragma unroll
    for (int j = 0; j < N; j++) {
      const Wide<T> x = scale * to_wide(values.at[j]);
      most_here = x > most_here ? x : most_here;
    }
    if (most_here > most) {
      sum *= exp_of<T>(most - most_here);
      most = most_here;
    }
    const Wide<T> base = most == -INFINITY ? 0 : most;  // nothing but -infinity, or NaN, so far
#pragma unroll
    for (int j = 0; j < N; j++) sum += exp_of<T>(scale * to_wide(values.at[j]) - base);
  }

  /// log sum exp over the whole block, known to each thread.
  __device__ Wide<T> log_of_block() const {
    const Wide<T> greatest = block_max(most);
    const Wide<T> total = block_sum(sum * exp_of<T>(most - greatest));
    return greatest + log(total);
  }
};

/// log sum exp of scale x, for scale above 0, known to each thread of the block.
template <class T>
__device__ Wide<T> log_sum_exp(const T* row, int64_t n, Wide<T> scale = 1) {
  OnlineSum<T> online;
  read_row(row, n, [&]<int N>(int64_t, const Vector<T, N>& values) { online.add(values, scale); });
  return online.log_of_block();
}

}  // namespace tongueforge::kernels::cuda
