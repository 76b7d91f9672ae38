#include "kernels/cuda/early.cuh"
#include "kernels/decode_attention_cuda.h"

namespace tongueforge::kernels::cuda {
namespace {

constexpr int kThreads = 128, kWarp = 32;
constexpr int kKeys = 4;  // that a group of lanes reads at a time: their loads overlap
constexpr int64_t kMostHeadDim = 256;
constexpr int kBusyBlocks = 264;  // two for each multiprocessor of a large GPU
constexpr int kMostSplits = 64;

__host__ __device__ constexpr int64_t cut(int64_t n, int64_t step) { return (n + step - 1) / step; }

template <class T>
int vectors_of(int64_t head_dim) {
  return static_cast<int>(head_dim / kPerAccess<T>);
}

// Lanes that read one row together: a power of two, so that they find each other's sums.
template <class T>
int lanes_of(int64_t head_dim) {
  int lanes = 1;
  while (lanes < kWarp && lanes < vectors_of<T>(head_dim)) lanes *= 2;
  return lanes;
}

__device__ inline float sum_of_lanes(float x, int lanes) {
  for (int step = lanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

// 2^x, and 0 where both are minus infinity: a part without keys weighs nothing.
__device__ inline float weight_of(float most_here, float most) {
  return most_here == -INFINITY ? 0.0f : exp2f(most_here - most);
}

/// The part of a row that a lane holds, in float: vectors lane, lane + lanes, ...
template <class T, int V>
struct Slice {
  static constexpr int kSize = V * kPerAccess<T>;

  static __device__ void load(Vector<T> (&to)[V], const T* row, int lane, int lanes, int vectors) {
#pragma unroll
    for (int e = 0; e < V; e++) {
      const int i = lane + e * lanes;
      to[e] = i < vectors ? Vector<T>::load(row, i) : Vector<T>{};
    }
  }
  static __device__ void store(const Vector<T> (&from)[V], T* row, int lane, int lanes, int vectors) {
#pragma unroll
    for (int e = 0; e < V; e++)
      if (lane + e * lanes < vectors) from[e].store(row, lane + e * lanes);
  }
  static __device__ float at(const Vector<T> (&x)[V], int i) {
    return to_wide(x[i / kPerAccess<T>].at[i % kPerAccess<T>]);
  }
};

/// Keys of a block: an equal share of those that the query sees.
struct Range {
  int64_t begin, end, last;

  __device__ Range(const DecodeAttention& a, int64_t split) : last(*a.place) {
    const int64_t first = a.window > 0 && last + 1 > a.window ? last + 1 - a.window : 0;
    const int64_t share = cut(last + 1 - first, a.splits);
    begin = first + split * share;
    end = begin + share < last + 1 ? begin + share : last + 1;
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

  __device__ void add(int h, const float (&scores)[kKeys], const Vector<T> (&v)[kKeys][V]) {
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
      for (int i = 0; i < S::kSize; i++) y[h][i] += p * S::at(v[j], i);
    }
  }
};

/// The sums of the groups of a block through shared memory: (groups, Heads, H+2), the last two the greatest
/// score and the sum of weights.
template <class T, int V, int Heads>
__device__ void keep_in_shared(const Running<T, V, Heads>& mine, float* shared, int group, int lane,
                               int lanes, int vectors, int64_t head_dim) {
  constexpr int kPer = kPerAccess<T>;
#pragma unroll
  for (int h = 0; h < Heads; h++) {
    float* row = shared + (group * Heads + h) * (head_dim + 2);
    if (lane == 0) row[head_dim] = mine.most[h], row[head_dim + 1] = mine.sum[h];
#pragma unroll
    for (int i = 0; i < V * kPer; i++) {
      const int vector = lane + i / kPer * lanes;
      if (vector < vectors) row[vector * kPer + i % kPer] = mine.y[h][i];
    }
  }
}

/// Weighs `parts` rows of (H+2), `stride` apart, into one: its d-th value, the greatest score and the sum.
struct Joined {
  float y = 0, most = -INFINITY, sum = 0;

  __device__ Joined(const float* rows, int64_t parts, int64_t stride, int64_t head_dim, int64_t d) {
    for (int64_t i = 0; i < parts; i++) most = fmaxf(most, rows[i * stride + head_dim]);
    for (int64_t i = 0; i < parts; i++) {
      const float weight = weight_of(rows[i * stride + head_dim], most);
      y += weight * rows[i * stride + d];
      sum += weight * rows[i * stride + head_dim + 1];
    }
  }
};

/// A block: one split of the keys of one kv head of one sequence, for Heads of its query heads.
template <class T, int V, int Heads>
__global__ void __launch_bounds__(kThreads)
    attend(const DecodeAttention a, int lanes, int vectors, float scale) {
  using S = Slice<T, V>;
  extern __shared__ float shared[];
  let_next_start();
  wait_for_earlier();
  const int64_t h_size = a.head_dim, groups_of_heads = a.heads / a.kv_heads;
  const int64_t kv_head = blockIdx.y % a.kv_heads, first_head = blockIdx.y / a.kv_heads * Heads;
  const int64_t b = blockIdx.z, split = blockIdx.x;
  const int lane = threadIdx.x % lanes, group = threadIdx.x / lanes, groups = kThreads / lanes;
  const int64_t here = groups_of_heads - first_head < Heads ? groups_of_heads - first_head : Heads;

  float q[Heads][S::kSize];
#pragma unroll
  for (int h = 0; h < Heads; h++) {
    const int64_t head = kv_head * groups_of_heads + first_head + (h < here ? h : 0);
    Vector<T> row[V];
    S::load(row, static_cast<const T*>(a.q.data) + b * a.q.of_sequence + head * a.q.of_head, lane, lanes,
            vectors);
#pragma unroll
    for (int i = 0; i < S::kSize; i++) q[h][i] = S::at(row, i) * scale;
  }

  const Range keys(a, split);
  const int64_t cached = (b * a.kv_heads + kv_head) * a.capacity * h_size;
  T *cache_k = static_cast<T*>(a.cache_k) + cached, *cache_v = static_cast<T*>(a.cache_v) + cached;
  const T* new_k = static_cast<const T*>(a.k.data) + b * a.k.of_sequence + kv_head * a.k.of_head;
  const T* new_v = static_cast<const T*>(a.v.data) + b * a.v.of_sequence + kv_head * a.v.of_head;

  Running<T, V, Heads> running;
  // All lanes of a warp make the same rounds: they exchange sums.
  for (int64_t round = keys.begin; round < keys.end; round += groups * kKeys) {
    Vector<T> k[kKeys][V] = {}, v[kKeys][V] = {};
    const int64_t first = round + group * kKeys;
#pragma unroll
    for (int j = 0; j < kKeys; j++) {
      const int64_t key = first + j;
      if (key >= keys.end) continue;
      const bool is_new = key == keys.last;
      S::load(k[j], is_new ? new_k : cache_k + key * h_size, lane, lanes, vectors);
      S::load(v[j], is_new ? new_v : cache_v + key * h_size, lane, lanes, vectors);
      if (is_new && first_head == 0) {
        S::store(k[j], cache_k + key * h_size, lane, lanes, vectors);
        S::store(v[j], cache_v + key * h_size, lane, lanes, vectors);
      }
    }
#pragma unroll
    for (int h = 0; h < Heads; h++) {
      float scores[kKeys];
#pragma unroll
      for (int j = 0; j < kKeys; j++) {
        float product = 0;
#pragma unroll
        for (int i = 0; i < S::kSize; i++) product += q[h][i] * S::at(k[j], i);
        scores[j] = sum_of_lanes(product, lanes);
        if (first + j >= keys.end) scores[j] = -INFINITY;
      }
      running.add(h, scores, v);
    }
  }

  keep_in_shared(running, shared, group, lane, lanes, vectors, h_size);
  __syncthreads();
  for (int64_t i = threadIdx.x; i < here * h_size; i += kThreads) {
    const int64_t h = i / h_size, d = i % h_size;
    const Joined all(shared + h * (h_size + 2), groups, Heads * (h_size + 2), h_size, d);
    const int64_t head = b * a.heads + kv_head * groups_of_heads + first_head + h;
    if (a.splits == 1) {
      static_cast<T*>(a.out)[head * h_size + d] = from_wide<T>(all.y / all.sum);
      continue;
    }
    float* row = a.partial + (head * a.splits + split) * (h_size + 2);
    row[d] = all.y;
    if (d == 0) row[h_size] = all.most, row[h_size + 1] = all.sum;
  }
}

/// A block: the splits of one head of one sequence.
template <class T>
__global__ void join(const DecodeAttention a) {
  let_next_start();
  wait_for_earlier();
  const int64_t head = blockIdx.x, row = a.head_dim + 2;
  for (int64_t d = threadIdx.x; d < a.head_dim; d += blockDim.x) {
    const Joined all(a.partial + head * a.splits * row, a.splits, row, a.head_dim, d);
    static_cast<T*>(a.out)[head * a.head_dim + d] = from_wide<T>(all.y / all.sum);
  }
}

template <class T, int V, int Heads>
void launch(const DecodeAttention& a, Stream stream) {
  const int lanes = lanes_of<T>(a.head_dim), groups = kThreads / lanes;
  const int64_t head_groups = cut(a.heads / a.kv_heads, Heads);
  const size_t bytes = sizeof(float) * groups * Heads * (a.head_dim + 2);
  const float scale = 1.4426950408889634f / sqrtf(static_cast<float>(a.head_dim));  // scores in powers of 2
  const dim3 blocks(static_cast<unsigned>(a.splits), static_cast<unsigned>(head_groups * a.kv_heads),
                    static_cast<unsigned>(a.batch));
  allow_shared(attend<T, V, Heads>, bytes);
  launch_early("decode_attention", attend<T, V, Heads>, blocks, kThreads, bytes, stream, a, lanes,
               vectors_of<T>(a.head_dim), scale);
  if (a.splits == 1) return;
  const dim3 heads(static_cast<unsigned>(a.batch * a.heads));
  launch_early("decode_attention join", join<T>, heads, kThreads, 0, stream, a);
}

template <class T, int V>
void launch_heads(const DecodeAttention& a, Stream stream) {
  const int64_t groups = a.heads / a.kv_heads;
  if (groups == 1) return launch<T, V, 1>(a, stream);
  if (groups <= 4) return launch<T, V, 4>(a, stream);
  launch<T, V, 8>(a, stream);
}

}  // namespace

bool takes_decode_rows(Element type, int64_t head_dim) {
  if (type == Element::f64) return false;
  const int64_t per_access = type == Element::f32 ? 4 : 8;
  return head_dim % per_access == 0 && head_dim <= kMostHeadDim;
}

int64_t decode_splits(int64_t batch, int64_t heads, int64_t kv_heads, int64_t capacity) {
  const int64_t blocks = batch * kv_heads * cut(heads / kv_heads, 8);
  const int64_t useful = cut(capacity, kThreads / 2);
  const int64_t splits = cut(kBusyBlocks, blocks > 0 ? blocks : 1);
  return splits > useful ? useful : (splits > kMostSplits ? kMostSplits : splits);
}

void decode_attention(Element type, const DecodeAttention& a, Stream stream) {
  if (a.batch == 0) return;
  for_element(type, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, double>) {
      if (vectors_of<T>(a.head_dim) <= kWarp) return launch_heads<T, 1>(a, stream);
      if constexpr (std::is_same_v<T, float>) launch_heads<T, 2>(a, stream);
    }
  });
}

}  // namespace tongueforge::kernels::cuda
