// Attention of the next token as one block does it: a split of the keys of one kv head, for some of its query
// heads. decode_attention.cu launches such blocks, decode_layers.cu has them as a phase of its own.
#pragma once
#include "kernels/decode_attention_cuda.h"
#include "kernels/decode_rows.cuh"

namespace tongueforge::kernels::cuda::decode {

__host__ __device__ constexpr int64_t cut(int64_t n, int64_t step) { return (n + step - 1) / step; }

template <class T>
__host__ __device__ int vectors_of(int64_t head_dim) {
  return static_cast<int>(head_dim / kPerAccess<T>);
}

// Lanes that read one row together: a power of two, so that they find each other's sums.
template <class T>
__host__ __device__ int lanes_of(int64_t head_dim) {
  int lanes = 1;
  while (lanes < kWarp && lanes < vectors_of<T>(head_dim)) lanes *= 2;
  return lanes;
}

// To powers of 2, which exp2f takes.
__host__ __device__ inline float scale_of(int64_t head_dim) {
  return 1.4426950408889634f / sqrtf(static_cast<float>(head_dim));
}

/// What a block works on: `count` query heads from `first_head` on, of one kv head of one sequence.
struct Work {
  int b, kv_head, first_head, count, split;
  bool is_first;  // of the blocks of its kv head: it writes the cache

  /// `pass`: which `heads` of those of the kv head.
  __device__ Work(const DecodeAttention& a, int heads, int b, int kv_head, int pass, int split)
      : b(b), kv_head(kv_head), split(split), is_first(pass == 0) {
    const int of_kv_head = static_cast<int>(a.heads) / static_cast<int>(a.kv_heads), passed = pass * heads;
    first_head = kv_head * of_kv_head + passed;
    count = min(of_kv_head - passed, heads);
  }
};

/// Keys of a block: an equal share of those that the query sees.
struct Range {
  int begin, end, last;

  __device__ Range(const DecodeAttention& a, int split) : last(static_cast<int>(*a.place)) {
    const int window = static_cast<int>(a.window), splits = static_cast<int>(a.splits);
    const int first = window > 0 ? max(0, last + 1 - window) : 0;
    const int share = splits == 1 ? last + 1 - first : (last - first + splits) / splits;
    begin = first + split * share;
    end = min(begin + share, last + 1);
  }
};

/// The warps of the block as one: its results, or those of its split, to be joined.
template <class T, int Heads>
__device__ void write_results(const DecodeAttention& a, const Work& work, const float* shared) {
  const int head_dim = static_cast<int>(a.head_dim), row_size = head_dim + 2;
  for (int i = static_cast<int>(threadIdx.x); i < work.count * head_dim; i += static_cast<int>(blockDim.x)) {
    const int h = i / head_dim, d = i - h * head_dim;
    const int64_t head = work.b * a.heads + work.first_head + h;
    const Joined all(shared + h * row_size, static_cast<int>(blockDim.x) / kWarp, Heads * row_size, head_dim,
                     d);
    if (a.splits == 1) {
      static_cast<T*>(a.out)[head * head_dim + d] = from_wide<T>(all.y / all.sum);
      continue;
    }
    float* row = a.partial + (head * a.splits + work.split) * row_size;
    row[d] = all.y;
    if (d == 0) row[head_dim] = all.most, row[head_dim + 1] = all.sum;
  }
}

/// A block at its work.
template <class T, int V, int Heads>
class Attend {
 public:
  __device__ Attend(const DecodeAttention& a, const Work& work)
      : a_(a), work_(work), l_(lanes_of<T>(a.head_dim), vectors_of<T>(a.head_dim)), keys_(a, work.split) {
    cache_ = (work.b * a.kv_heads + work.kv_head) * a.capacity * a.head_dim;
  }

  /// `shared`: (warps, Heads, H+2).
  __device__ void run(float* shared) {
    load_new();
    Running<T, V, Heads> running;
    // All lanes of a warp make the same rounds: they exchange sums.
    const int step = l_.groups() * kKeys;
#pragma unroll 1
    for (int round = keys_.begin; round < keys_.end; round += step) {
      read(round);
      const int first = round + l_.group() * kKeys;
      meet_new(first);
#pragma unroll
      for (int h = 0; h < Heads; h++) {
        float scores[kKeys];
#pragma unroll
        for (int j = 0; j < kKeys; j++) {
          float product = 0;
#pragma unroll
          for (int i = 0; i < S::kSize; i++) product += q_[h][i] * k_[j].at(i);
          scores[j] = sum_of_lanes(product, l_.lanes);
          if (first + j >= keys_.end) scores[j] = -INFINITY;
        }
        running.add(h, scores, v_);
      }
    }
    running.join_warp(l_.lanes);
    keep_in_shared(running, shared, l_, a_.head_dim);
    __syncthreads();
    write_results<T, Heads>(a_, work_, shared);
  }

 private:
  using S = Slice<T, V>;

  __device__ const T* row_of(const DecodeRows& rows, int head) const {
    return static_cast<const T*>(rows.data) + work_.b * rows.of_sequence + head * rows.of_head;
  }

  /// Those of the keys from `round` on that are in the cache.
  __device__ void read(int round) {
    const T *const k = static_cast<const T*>(a_.cache_k) + cache_, *const v =
                                                                       static_cast<const T*>(a_.cache_v) +
                                                                       cache_;
#pragma unroll
    for (int j = 0; j < kKeys; j++) {
      const int key = round + l_.group() * kKeys + j;
      if (key >= keys_.end || key >= keys_.last) continue;
      k_[j].load(k + key * a_.head_dim, l_), v_[j].load(v + key * a_.head_dim, l_);
    }
  }

  /// The query and the new key, turned to their place, and its value.
  __device__ void load_new() {
    const int64_t place = keys_.last * a_.head_dim;
    const T *const cos = a_.cos ? static_cast<const T*>(a_.cos) + place : nullptr,
                   *const sin = a_.cos ? static_cast<const T*>(a_.sin) + place : nullptr;
    const float scale = scale_of(a_.head_dim);
    new_k_.load_turned(row_of(a_.k, work_.kv_head), cos, sin, l_);
    new_v_.load(row_of(a_.v, work_.kv_head), l_);
#pragma unroll
    for (int h = 0; h < Heads; h++) {
      S row;
      row.load_turned(row_of(a_.q, work_.first_head + (h < work_.count ? h : 0)), cos, sin, l_);
#pragma unroll
      for (int i = 0; i < S::kSize; i++) q_[h][i] = row.at(i) * scale;
    }
  }

  /// Where the new key is among these, it takes its place, in the cache too.
  __device__ void meet_new(int first) {
#pragma unroll
    for (int j = 0; j < kKeys; j++) {
      if (first + j != keys_.last || keys_.last >= keys_.end) continue;
      k_[j] = new_k_, v_[j] = new_v_;
      if (!work_.is_first) continue;
      const int64_t place = cache_ + keys_.last * a_.head_dim;
      new_k_.store(static_cast<T*>(a_.cache_k) + place, l_),
          new_v_.store(static_cast<T*>(a_.cache_v) + place, l_);
    }
  }

  const DecodeAttention& a_;
  const Work work_;
  const Lanes l_;
  const Range keys_;
  int64_t cache_;  // where its rows begin
  S k_[kKeys], v_[kKeys], new_k_, new_v_;
  float q_[Heads][S::kSize];
};

}  // namespace tongueforge::kernels::cuda::decode
