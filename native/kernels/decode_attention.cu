#include "kernels/cuda/early.cuh"
#include "kernels/decode_attention_cuda.h"
#include "kernels/decode_rows.cuh"

namespace tongueforge::kernels::cuda {
namespace {

using namespace decode;

constexpr int64_t kMostHeadDim = 256;
constexpr int kBusyBlocks = 264;       // two for each multiprocessor of a large GPU
constexpr int64_t kKeysOfSplit = 512;  // at least: to join splits takes as long as to read so many
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

/// What a block works on: `count` query heads from `first_head` on, of one kv head of one sequence.
struct Work {
  int64_t b, kv_head, first_head, count, split;

  __device__ Work(const DecodeAttention& a, int heads)
      : b(blockIdx.z), kv_head(blockIdx.y % a.kv_heads), split(blockIdx.x) {
    const int64_t of_kv_head = a.heads / a.kv_heads, passed = blockIdx.y / a.kv_heads * heads;
    first_head = kv_head * of_kv_head + passed;
    count = of_kv_head - passed < heads ? of_kv_head - passed : heads;
  }
  __device__ bool writes_cache(const DecodeAttention& a) const {
    return first_head == kv_head * (a.heads / a.kv_heads);
  }
};

/// The angles of the new place, or null.
template <class T>
struct Angles {
  const T *cos, *sin;

  __device__ Angles(const DecodeAttention& a, int64_t place)
      : cos(a.cos ? static_cast<const T*>(a.cos) + place * a.head_dim : nullptr),
        sin(a.cos ? static_cast<const T*>(a.sin) + place * a.head_dim : nullptr) {}
};

template <class T>
__device__ const T* row_of(const DecodeRows& rows, int64_t b, int64_t head) {
  return static_cast<const T*>(rows.data) + b * rows.of_sequence + head * rows.of_head;
}

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

/// The keys and values of a block, some at a time; the new ones go into the cache on the way.
template <class T, int V>
struct Reader {
  T *cache_k, *cache_v;
  Slice<T, V> new_k, new_v;
  bool writes;

  __device__ Reader(const DecodeAttention& a, const Work& work, const Angles<T>& angles, const Lanes& l)
      : writes(work.writes_cache(a)) {
    const int64_t begin = (work.b * a.kv_heads + work.kv_head) * a.capacity * a.head_dim;
    cache_k = static_cast<T*>(a.cache_k) + begin, cache_v = static_cast<T*>(a.cache_v) + begin;
    new_k.load_turned(row_of<T>(a.k, work.b, work.kv_head), angles.cos, angles.sin, l);
    new_v.load(row_of<T>(a.v, work.b, work.kv_head), l);
  }

  /// Keys from `first` on, zeros from the end on.
  __device__ void read(Slice<T, V> (&k)[kKeys], Slice<T, V> (&v)[kKeys], int64_t first, const Range& keys,
                       int64_t head_dim, const Lanes& l) const {
#pragma unroll
    for (int j = 0; j < kKeys; j++) {
      const int64_t key = first + j;
      if (key >= keys.end) continue;
      if (key < keys.last) {
        k[j].load(cache_k + key * head_dim, l), v[j].load(cache_v + key * head_dim, l);
        continue;
      }
      k[j] = new_k, v[j] = new_v;
      if (writes) new_k.store(cache_k + key * head_dim, l), new_v.store(cache_v + key * head_dim, l);
    }
  }
};

/// The warps of the block as one: its results, or those of its split for join().
template <class T, int Heads>
__device__ void write_results(const DecodeAttention& a, const Work& work, const float* shared) {
  const int64_t row_size = a.head_dim + 2;
  for (int64_t i = threadIdx.x; i < work.count * a.head_dim; i += kThreads) {
    const int64_t h = i / a.head_dim, d = i % a.head_dim, head = work.b * a.heads + work.first_head + h;
    const Joined all(shared + h * row_size, kWarps, Heads * row_size, a.head_dim, d);
    if (a.splits == 1) {
      static_cast<T*>(a.out)[head * a.head_dim + d] = from_wide<T>(all.y / all.sum);
      continue;
    }
    float* row = a.partial + (head * a.splits + work.split) * row_size;
    row[d] = all.y;
    if (d == 0) row[a.head_dim] = all.most, row[a.head_dim + 1] = all.sum;
  }
}

/// A block: one split of the keys of one kv head of one sequence, for Heads of its query heads.
template <class T, int V, int Heads>
__global__ void __launch_bounds__(kThreads)
    attend(const DecodeAttention a, int lanes, int vectors, float scale) {
  extern __shared__ float shared[];
  let_next_start();
  wait_for_earlier();
  const Work work(a, Heads);
  const Lanes l(lanes, vectors);
  const Range keys(a, work.split);
  const Angles<T> angles(a, keys.last);
  float q[Heads][Slice<T, V>::kSize];
#pragma unroll
  for (int h = 0; h < Heads; h++) {
    Slice<T, V> row;
    row.load_turned(row_of<T>(a.q, work.b, work.first_head + (h < work.count ? h : 0)), angles.cos,
                    angles.sin, l);
#pragma unroll
    for (int i = 0; i < Slice<T, V>::kSize; i++) q[h][i] = row.at(i) * scale;
  }

  const Reader<T, V> reader(a, work, angles, l);
  Running<T, V, Heads> running;
  // All lanes of a warp make the same rounds: they exchange sums.
  for (int64_t round = keys.begin; round < keys.end; round += l.groups() * kKeys) {
    Slice<T, V> k[kKeys], v[kKeys];
    const int64_t first = round + l.group() * kKeys;
    reader.read(k, v, first, keys, a.head_dim, l);
#pragma unroll
    for (int h = 0; h < Heads; h++) {
      float scores[kKeys];
#pragma unroll
      for (int j = 0; j < kKeys; j++) {
        float product = 0;
#pragma unroll
        for (int i = 0; i < Slice<T, V>::kSize; i++) product += q[h][i] * k[j].at(i);
        scores[j] = sum_of_lanes(product, lanes);
        if (first + j >= keys.end) scores[j] = -INFINITY;
      }
      running.add(h, scores, v);
    }
  }

  running.join_warp(lanes);
  keep_in_shared(running, shared, l, a.head_dim);
  __syncthreads();
  write_results<T, Heads>(a, work, shared);
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
  const int lanes = lanes_of<T>(a.head_dim);
  const int64_t head_groups = cut(a.heads / a.kv_heads, Heads);
  const size_t bytes = sizeof(float) * kWarps * Heads * (a.head_dim + 2);
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

bool takes_decode_turn(Element type, int64_t head_dim) {
  return takes_decode_rows(type, head_dim) && head_dim % (type == Element::f32 ? 8 : 16) == 0;
}

int64_t decode_splits(int64_t batch, int64_t heads, int64_t kv_heads, int64_t capacity) {
  const int64_t blocks = batch * kv_heads * cut(heads / kv_heads, 8);
  const int64_t useful = cut(capacity, kKeysOfSplit);
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
