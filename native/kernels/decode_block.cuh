// All layers on one token as one block sees them: phases of products, attention between two of them, and the
// barrier of all blocks in front of each. decode_layers.cu launches it.
#pragma once
#include "kernels/cuda/grid.cuh"
#include "kernels/decode_attend.cuh"
#include "kernels/decode_layers_cuda.h"
#include "kernels/weight_stream.cuh"

namespace tongueforge::kernels::cuda::decode {

constexpr int kThreads = 256, kWarps = kThreads / kLanes;
constexpr int kKeysOfSplit = 128;  // at least: a block reads so many at a time
constexpr int kMostSplits = 64;
constexpr int kPrefetchedKeys = 2048;  // of a head, ahead of its attention

/// What the threads of a block share.
template <class T>
struct Shared {
  Packed<T>* weights;  // of this warp
  Arrival* arrivals;   // likewise
  T* rows;             // (B,in): the input of a phase
  float* attention;    // in the place of rows
};

/// What other blocks wrote, past the cache of this multiprocessor.
template <class T>
__device__ Packed<T> load_of_others(const T* from, int64_t i) {
  const int4 raw = __ldcg(reinterpret_cast<const int4*>(from) + i);
  return {{static_cast<uint32_t>(raw.x), static_cast<uint32_t>(raw.y), static_cast<uint32_t>(raw.z),
           static_cast<uint32_t>(raw.w)}};
}

// ---- attention ----

template <class T, int Heads>
__device__ DecodeAttention attention_of(const DecodeLayers& p, const DecodeLayer& l, int passes) {
  const int64_t q = l.heads * p.head_dim, k = l.kv_heads * p.head_dim, all = q + 2 * k;
  const T* const qkv = static_cast<const T*>(p.qkv);
  const int keys = static_cast<int>(*p.place) + 1, window = static_cast<int>(l.window);
  const int seen = window > 0 ? min(keys, window) : keys;
  const int most = static_cast<int>(gridDim.x) / (p.batch * l.kv_heads * passes);
  const int splits = max(1, min(min(most, (seen + kKeysOfSplit - 1) / kKeysOfSplit), kMostSplits));
  return {{qkv, all, p.head_dim},
          {qkv + q, all, p.head_dim},
          {qkv + q + k, all, p.head_dim},
          p.cos,
          p.sin,
          l.cache_k,
          l.cache_v,
          p.attended,
          p.place,
          p.partial,
          p.batch,
          l.heads,
          l.kv_heads,
          p.capacity,
          p.head_dim,
          l.window,
          splits};
}

/// Whether all other splits are written. The counter is 0 again behind the last.
__device__ inline bool comes_last(uint32_t* counter, uint32_t splits) {
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    last = atomicInc(counter, splits - 1) == splits - 1;
    __threadfence();
  }
  __syncthreads();
  return last;
}

template <class T>
__device__ void join_splits(const DecodeAttention& a, const Work& work) {
  const int head_dim = static_cast<int>(a.head_dim), row = head_dim + 2, splits = static_cast<int>(a.splits);
  for (int i = static_cast<int>(threadIdx.x); i < work.count * head_dim; i += kThreads) {
    const int h = i / head_dim, d = i - h * head_dim;
    const int64_t head = work.b * a.heads + work.first_head + h;
    const Joined all(a.partial + head * splits * row, splits, row, head_dim, d);
    static_cast<T*>(a.out)[head * head_dim + d] = from_wide<T>(all.y / all.sum);
  }
}

/// Waits at the barrier for query, key and value. Never inlined: what a block holds for its products would
/// crowd the registers.
template <class T, int V, int Heads>
__device__ __noinline__ void attend_layer(const DecodeLayers& p, const DecodeLayer& l, float* shared) {
  __shared__ DecodeAttention a;
  const int passes = (l.heads / l.kv_heads + Heads - 1) / Heads;
  if (threadIdx.x == 0) a = attention_of<T, Heads>(p, l, passes);
  GridBarrier::wait(p.counters);
  const int splits = static_cast<int>(a.splits), parts = p.batch * l.kv_heads * passes;
#pragma unroll 1
  for (int i = static_cast<int>(blockIdx.x); i < parts * splits; i += static_cast<int>(gridDim.x)) {
    const int part = i / splits, head = part / passes, b = head / l.kv_heads;
    const Work work(a, Heads, b, head - b * l.kv_heads, part - head * passes, i - part * splits);
    Attend<T, V, Heads>(a, work).run(shared);
    if (splits > 1 && comes_last(p.counters + 1 + part, static_cast<uint32_t>(splits)))
      join_splits<T>(a, work);
    __syncthreads();  // the shared memory is free
  }
}

/// The kernel, as one block sees it. The phases share their code: what is written out for each of them does
/// not fit into the instruction cache.
template <class T, int V, int Heads, int M>
struct Block {
  const DecodeLayers& p;
  Shared<T> shared;
  WeightStream<T> weights;

  __device__ Block(const DecodeLayers& p, Shared<T> shared, int stages)
      : p(p), shared(shared), weights(p, shared.weights, shared.arrivals, stages) {}

  __device__ void run() {
    prefetch(0);
#pragma unroll 1
    for (int layer = 0; layer < p.count; layer++) {
#pragma unroll 1
      for (int phase = 0; phase < kPhases; phase++) {
        if (phase == kOut) attend_layer<T, V, Heads>(p, p.layers[layer], shared.attention);
        if (layer + phase > 0) GridBarrier::wait(p.counters);
        const Lines lines = lines_of(p, layer, phase);
        bring_input(layer, phase, static_cast<int>(lines.in));
        if (phase == kDown) prefetch(layer + 1);
        products(layer, phase, lines);
      }
    }
  }

 private:
  __device__ int rows() const { return M == 1 ? 1 : p.batch; }

  /// Of a row in shared memory: whole pieces.
  static __device__ int stride_of(int vectors) {
    return (vectors + kUnits * kLanes - 1) / (kUnits * kLanes) * (kUnits * kLanes);
  }

  // ---- the input of a phase, into shared memory ----

  /// With zeros behind each row, up to a whole piece.
  __device__ void bring_input(int layer, int phase, int in) {
    const auto& l = p.layers[layer];
    const void* const from = phase == kOut ? p.attended : phase == kDown ? p.inner : p.x;
    const void* const norm = phase == kQkv ? l.attention_norm : phase == kGateUp ? l.mlp_norm : nullptr;
    const int vectors = in / kPerAccess<T>, stride = stride_of(vectors);
#pragma unroll 1
    for (int m = 0; m < rows(); m++) {
      float squares = 0;
#pragma unroll 1
      for (int i = static_cast<int>(threadIdx.x); i < stride; i += kThreads) {
        const auto x =
            i < vectors ? load_of_others(static_cast<const T*>(from), m * vectors + i) : Packed<T>{};
        x.store(shared.rows, m * stride + i);
#pragma unroll
        for (int j = 0; j < kPerAccess<T>; j++) squares += x.at(j) * x.at(j);
      }
      if (norm) scale_row(m * stride, vectors, static_cast<const T*>(norm), block_sum(squares));
    }
    __syncthreads();
  }

  /// A row over its root mean square, rounded, times `weight`: each thread its own places.
  __device__ void scale_row(int begin, int vectors, const T* weight, float squares) {
    const float scale = rsqrtf(squares / static_cast<float>(p.hidden) + p.eps);
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < vectors; i += kThreads) {
      const auto x = Packed<T>::load(shared.rows, begin + i), w = Packed<T>::load(weight, i);
      float scaled[kPerAccess<T>];
#pragma unroll
      for (int j = 0; j < kPerAccess<T>; j++) scaled[j] = to_wide(from_wide<T>(x.at(j) * scale)) * w.at(j);
      Packed<T>::of(scaled).store(shared.rows, begin + i);
    }
  }

  // ---- what is read once, brought near in time ----

  /// Of a layer: what its attention and norms read. The weights on their way fill the queue of the memory:
  /// what comes behind them comes late.
  __device__ void prefetch(int layer) {
    if (layer >= p.count || threadIdx.x > 0) return;
    const auto& l = p.layers[layer];
    const auto row = static_cast<uint32_t>(p.hidden * sizeof(T));
    if (blockIdx.x == 0) prefetch_bulk(l.attention_norm, row), prefetch_bulk(l.mlp_norm, row);
    const int last = static_cast<int>(*p.place), window = static_cast<int>(l.window);
    const int first = window > 0 ? max(0, last + 1 - window) : 0;
    const auto bytes = static_cast<uint32_t>(min(last - first, kPrefetchedKeys) * p.head_dim * sizeof(T));
    for (int head = static_cast<int>(blockIdx.x); head < p.batch * l.kv_heads;
         head += static_cast<int>(gridDim.x)) {
      const int64_t begin = (head * p.capacity + first) * p.head_dim;
      prefetch_bulk(static_cast<const T*>(l.cache_k) + begin, bytes);
      prefetch_bulk(static_cast<const T*>(l.cache_v) + begin, bytes);
    }
  }

  // ---- products ----

  __device__ void products(int layer, int phase, const Lines& lines) {
    const int stride = stride_of(static_cast<int>(lines.in) / kPerAccess<T>);
#pragma unroll 1
    for (int line = first_line(); line < lines.count; line += line_step()) {
      float y[M], of_gate[M];
#pragma unroll 1
      for (int r = 0; r < lines.rows_of_line; r++) {
#pragma unroll
        for (int m = 0; m < M; m++) of_gate[m] = y[m], y[m] = 0;
#pragma unroll 1
        for (int first = 0; first < stride; first += kUnits * kLanes) add_piece(y, first, stride);
#pragma unroll
        for (int m = 0; m < M; m++) y[m] = warp_sum(y[m]);
      }
      if (threadIdx.x % kLanes == 0) finish(layer, phase, line, y, of_gate);
    }
  }

  /// No branch, so that sums go on side by side; a row of x that is not there is the last, and not written.
  __device__ void add_piece(float (&y)[M], int first, int stride) {
    Packed<T> piece[kUnits];
    weights.take(piece);
#pragma unroll
    for (int u = 0; u < kUnits; u++) {
#pragma unroll
      for (int m = 0; m < M; m++) {
        const auto x = Packed<T>::load(shared.rows, min(m, rows() - 1) * stride + first + u * kLanes +
                                                        static_cast<int>(threadIdx.x) % kLanes);
#pragma unroll
        for (int j = 0; j < kPerAccess<T>; j++) y[m] += piece[u].at(j) * x.at(j);
      }
    }
  }

  static __device__ float bias_of(const DecodeWeight& of, int64_t row) {
    return of.bias ? to_wide(static_cast<const T*>(of.bias)[row]) : 0.0f;
  }

  /// What is done with a line's products, one of each row.
  __device__ void finish(int layer, int phase, int line, const float (&y)[M], const float (&of_gate)[M]) {
    const auto& l = p.layers[layer];
    const Place place = place_of(p, layer, phase, line, /*row_of_line=*/1);
    const float bias = bias_of(*place.of, place.row),
                gate_bias = phase == kGateUp ? bias_of(l.gate, line) : 0;
#pragma unroll
    for (int m = 0; m < M; m++) {
      if (m >= rows()) break;
      const T product = from_wide<T>(y[m] + bias);
      if (phase == kQkv) {
        static_cast<T*>(p.qkv)[m * (l.heads + 2 * l.kv_heads) * p.head_dim + line] = product;
      } else if (phase == kGateUp) {  // silu(gate) * up, the products rounded before
        const float gate = to_wide(from_wide<T>(of_gate[m] + gate_bias));
        static_cast<T*>(p.inner)[m * l.inner + line] =
            from_wide<T>(gate / (1 + expf(-gate)) * to_wide(product));
      } else {
        T& x = static_cast<T*>(p.x)[m * p.hidden + line];
        x = from_wide<T>(to_wide(x) + to_wide(product));
      }
    }
  }
};

}  // namespace tongueforge::kernels::cuda::decode
