#include <algorithm>

#include "kernels/cuda/common.cuh"
#include "kernels/embedding_cuda.h"

namespace tongueforge::kernels::cuda {
namespace {

constexpr int kThreads = 128;

// Equal ids are neighbours: a run. A tile adds up the runs that it holds, in their order. One that lies in it
// whole goes to the weight; of one that comes from the tile before, the sum is part 0, and of one that begins
// here and goes on, part 1.
struct Runs {
  const int64_t* ids;
  int64_t m;

  __device__ bool continues_at(int64_t i) const { return i > 0 && i < m && ids[i] == ids[i - 1]; }
};

__device__ int64_t tile_end(int64_t tile, int64_t m) { return min(m, (tile + 1) * kEmbeddingTile); }

/// N neighbouring columns, of which each thread has some.
template <class T, int N>
struct Columns {
  Wide<T> sum[N] = {};

  __device__ void add(const T* row, int64_t i) {
    const auto v = Vector<T, N>::load(row, i);
#pragma unroll
    for (int j = 0; j < N; j++) sum[j] += to_wide(v.at[j]);
  }
  __device__ void add_part(const Wide<T>* part, int64_t i) {
#pragma unroll
    for (int j = 0; j < N; j++) sum[j] += part[i * N + j];
  }
  __device__ void store_part(Wide<T>* part, int64_t i) const {
#pragma unroll
    for (int j = 0; j < N; j++) part[i * N + j] = sum[j];
  }
  __device__ void store(T* row, int64_t i) const {
    Vector<T, N> v;
#pragma unroll
    for (int j = 0; j < N; j++) v.at[j] = from_wide<T>(sum[j]);
    v.store(row, i);
  }
};

/// The thread's vector of a row.
__device__ int64_t column_of_thread() { return static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x; }

template <class T>
__device__ Wide<T>* part_of(const EmbeddingGradient& g, int64_t tile, int which) {
  return static_cast<Wide<T>*>(g.parts) + (2 * tile + which) * g.d;
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) add_tiles(const EmbeddingGradient g) {
  const int64_t tile = blockIdx.x, column = column_of_thread();
  if (column >= g.d / N) return;
  const Runs runs{g.ids, g.m};
  const auto* grad_y = static_cast<const T*>(g.grad_y);
  auto* grad_weight = static_cast<T*>(g.grad_weight);
  const int64_t end = tile_end(tile, g.m);
  bool from_before = runs.continues_at(tile * kEmbeddingTile);
  Columns<T, N> columns;
  for (int64_t i = tile * kEmbeddingTile; i < end; i++) {
    columns.add(grad_y + g.places[i] * g.d, column);
    const bool goes_on = runs.continues_at(i + 1);
    if (goes_on && i + 1 < end) continue;
    if (from_before)
      columns.store_part(part_of<T>(g, tile, 0), column);
    else if (goes_on)
      columns.store_part(part_of<T>(g, tile, 1), column);
    else
      columns.store(grad_weight + g.ids[i] * g.d, column);
    from_before = false;
    columns = {};
  }
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) add_parts(const EmbeddingGradient g) {
  const int64_t column = column_of_thread();
  if (column >= g.d / N) return;
  const Runs runs{g.ids, g.m};
  int64_t tile = blockIdx.x, end = tile_end(tile, g.m);
  if (!runs.continues_at(end)) return;
  const int64_t id = g.ids[end - 1], begin = tile * kEmbeddingTile;
  if (begin > 0 && g.ids[begin - 1] == id) return;  // the run began in a tile before
  Columns<T, N> columns;
  columns.add_part(part_of<T>(g, tile, 1), column);
  while (runs.continues_at(end) && g.ids[end] == id) {
    tile++, end = tile_end(tile, g.m);
    columns.add_part(part_of<T>(g, tile, 0), column);
    if (g.ids[end - 1] != id) break;  // it ended within
  }
  columns.store(static_cast<T*>(g.grad_weight) + id * g.d, column);
}

template <class T, int N>
void launch(const EmbeddingGradient& g, cudaStream_t stream) {
  const int64_t per_row = (g.d / N + kThreads - 1) / kThreads;
  const dim3 blocks(static_cast<unsigned>(embedding_tiles(g.m)), static_cast<unsigned>(per_row));
  add_tiles<T, N><<<blocks, kThreads, 0, stream>>>(g);
  check_launch("embedding_gradient, tiles");
  add_parts<T, N><<<blocks, kThreads, 0, stream>>>(g);
  check_launch("embedding_gradient, parts");
}

}  // namespace

void embedding_gradient(Element type, const EmbeddingGradient& g, Stream stream) {
  if (g.m == 0 || g.d == 0) return;
  for_element(type, [&]<class T>(T) {
    rows_aligned<T>(g.d, g.grad_y, g.grad_weight)
        ? launch<T, kPerAccess<T>>(g, static_cast<cudaStream_t>(stream))
        : launch<T, 1>(g, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace tongueforge::kernels::cuda
