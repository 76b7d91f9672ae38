// What attention of the next token is made of: rows shared by the lanes of a warp, and a softmax that is
// exact over keys met one after the other.
#pragma once
#include "kernels/cuda/common.cuh"

namespace tongueforge::kernels::cuda::decode {

constexpr int kWarp = 32;
constexpr int kKeys = 4;  // that a group of lanes reads at a time: their loads overlap

__device__ inline float sum_of_lanes(float x, int lanes) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, x, step);
    if (step < lanes) x += other;
  }
  return x;
}

// 2^x, and 0 where both are minus infinity: a part without keys weighs nothing.
__device__ inline float weight_of(float most_here, float most) {
  return most_here == -INFINITY ? 0.0f : exp2f(most_here - most);
}

/// How the lanes of a group share a row: vectors lane, lane + lanes, ... each.
struct Lanes {
  int lane, lanes, vectors;

  __device__ Lanes(int lanes, int vectors)
      : lane(static_cast<int>(threadIdx.x) % lanes), lanes(lanes), vectors(vectors) {}
  __device__ int vector(int e) const { return lane + e * lanes; }
  __device__ int group() const { return static_cast<int>(threadIdx.x) / lanes; }
  __device__ int groups() const { return static_cast<int>(blockDim.x) / lanes; }
};

/// The part of a row that a lane holds.
template <class T, int V>
struct Slice {
  static constexpr int kSize = V * kPerAccess<T>;
  Packed<T> of[V];

  __device__ float at(int i) const { return of[i / kPerAccess<T>].at(i % kPerAccess<T>); }

  __device__ void load(const T* row, const Lanes& l) {
#pragma unroll
    for (int e = 0; e < V; e++)
      if (l.vector(e) < l.vectors) of[e] = Packed<T>::load(row, l.vector(e));
  }
  __device__ void store(T* row, const Lanes& l) const {
#pragma unroll
    for (int e = 0; e < V; e++)
      if (l.vector(e) < l.vectors) of[e].store(row, l.vector(e));
  }
  /// A row turned by the angles of one place: y1 = x1 cos - x2 sin, y2 = x2 cos + x1 sin over its two halves.
  __device__ void load_turned(const T* row, const T* cos, const T* sin, const Lanes& l) {
    load(row, l);
    if (!cos) return;
    const int half = l.vectors / 2;
#pragma unroll
    for (int e = 0; e < V; e++) {
      const int i = l.vector(e);
      if (i >= l.vectors) continue;
      const auto other = Packed<T>::load(row, i < half ? i + half : i - half);
      const auto c = Packed<T>::load(cos, i), s = Packed<T>::load(sin, i);
      float turned[kPerAccess<T>];
#pragma unroll
      for (int j = 0; j < kPerAccess<T>; j++) {
        const float side = other.at(j) * s.at(j);
        turned[j] = of[e].at(j) * c.at(j) + (i < half ? -side : side);
      }
      of[e] = Packed<T>::of(turned);
    }
  }
};

/// Exact softmax over the keys that one group of lanes has met, for Heads query heads of one kv head; each
/// lane has its slice of the sums.
template <class T, int V, int Heads>
struct Running {
  using S = Slice<T, V>;
  float most[Heads], sum[Heads], y[Heads][S::kSize];

  __device__ Running() {
#pragma unroll
    for (int h = 0; h < Heads; h++) {
      most[h] = -INFINITY, sum[h] = 0;
#pragma unroll
      for (int i = 0; i < S::kSize; i++) y[h][i] = 0;
    }
  }

  __device__ void add(int h, const float (&scores)[kKeys], const Slice<T, V> (&v)[kKeys]) {
    float now = most[h];
#pragma unroll
    for (int j = 0; j < kKeys; j++) now = fmaxf(now, scores[j]);
    if (now == -INFINITY) return;
    const float keep = weight_of(most[h], now);
    most[h] = now;
    sum[h] *= keep;
#pragma unroll
    for (int i = 0; i < S::kSize; i++) y[h][i] *= keep;
#pragma unroll
    for (int j = 0; j < kKeys; j++) {
      const float p = exp2f(scores[j] - now);
      sum[h] += p;
#pragma unroll
      for (int i = 0; i < S::kSize; i++) y[h][i] += p * v[j].at(i);
    }
  }

  /// What the groups of a warp have met, known to each of them.
  __device__ void join_warp(int lanes) {
#pragma unroll 1
    for (int step = lanes; step < kWarp; step *= 2) {
#pragma unroll
      for (int h = 0; h < Heads; h++) {
        const float others = __shfl_xor_sync(0xffffffffu, most[h], step), now = fmaxf(most[h], others);
        const float keep = weight_of(most[h], now), take = weight_of(others, now);
        most[h] = now;
        sum[h] = sum[h] * keep + __shfl_xor_sync(0xffffffffu, sum[h], step) * take;
#pragma unroll
        for (int i = 0; i < S::kSize; i++)
          y[h][i] = y[h][i] * keep + __shfl_xor_sync(0xffffffffu, y[h][i], step) * take;
      }
    }
  }
};

/// The sums of the warps of a block through shared memory: (warps, Heads, H+2), the last two the greatest
/// score and the sum of weights.
template <class T, int V, int Heads>
__device__ void keep_in_shared(const Running<T, V, Heads>& mine, float* shared, const Lanes& l,
                               int64_t head_dim) {
  constexpr int kPer = kPerAccess<T>;
  if (threadIdx.x % kWarp >= l.lanes) return;  // the groups of a warp hold the same
#pragma unroll
  for (int h = 0; h < Heads; h++) {
    float* row = shared + (threadIdx.x / kWarp * Heads + h) * (head_dim + 2);
    if (l.lane == 0) row[head_dim] = mine.most[h], row[head_dim + 1] = mine.sum[h];
#pragma unroll
    for (int i = 0; i < V * kPer; i++) {
      const int vector = l.vector(i / kPer);
      if (vector < l.vectors) row[vector * kPer + i % kPer] = mine.y[h][i];
    }
  }
}

/// Weighs `parts` rows of (H+2), `stride` apart, into one: its d-th value, the greatest score and the sum.
struct Joined {
  float y = 0, most = -INFINITY, sum = 0;

  __device__ Joined(const float* rows, int parts, int stride, int head_dim, int d) {
    for (int i = 0; i < parts; i++) most = fmaxf(most, rows[i * stride + head_dim]);
    for (int i = 0; i < parts; i++) {
      const float weight = weight_of(rows[i * stride + head_dim], most);
      y += weight * rows[i * stride + d];
      sum += weight * rows[i * stride + head_dim + 1];
    }
  }
};

}  // namespace tongueforge::kernels::cuda::decode
