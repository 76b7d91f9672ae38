#include <algorithm>

#include "kernels/cuda/early.cuh"
#include "kernels/rms_norm_cuda.h"

namespace tongueforge::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 512;   // about four a multiprocessor of the large cards
constexpr int64_t kRowsPerBlock = 4;  // at least: what a block adds up is written once more

/// A team of threads shares a row: Team is 8, 16 or 32 lanes of a warp, or all threads of a block.
template <int Team, class W>
__device__ W team_sum(W value) {
  if constexpr (Team < kThreads) return warp_sum<Team>(value);
  return block_sum(value);
}

/// A row in the registers of its team: lane l has the vectors l, l + Team, ..., K in all; those behind the
/// row's last are zeros.
template <class T, int N, int Team, int K>
struct Share {
  Vector<T, N> at[K];

  static __device__ Share load(const T* row, int vectors) {
    Share share;
#pragma unroll
    for (int k = 0; k < K; k++) {
      const int i = threadIdx.x % Team + k * Team;
      share.at[k] = i < vectors ? Vector<T, N>::load(row, i) : Vector<T, N>{};
    }
    return share;
  }
  __device__ void store(T* row, int vectors) const {
#pragma unroll
    for (int k = 0; k < K; k++) {
      const int i = threadIdx.x % Team + k * Team;
      if (i < vectors) at[k].store(row, i);
    }
  }
};

// ---- forward: a row for each team ----

// Rows are (M,D), each of at most K Team vectors.
template <class T, int N, int Team, int K>
__global__ void __launch_bounds__(kThreads) forward_rows(const RmsNormForward f) {
  using Values = Share<T, N, Team, K>;
  let_next_start();
  wait_for_earlier();
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (kThreads / Team) + threadIdx.x / Team;
  const int vectors = row < f.rows ? f.d / N : 0;  // a team without a row goes along: the sum is the warp's
  auto x = Values::load(static_cast<const T*>(f.x) + row * f.d, vectors);
  const auto weight = Values::load(static_cast<const T*>(f.weight), vectors);
  if (f.branch) {
    const auto branch = Values::load(static_cast<const T*>(f.branch) + row * f.d, vectors);
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
      for (int j = 0; j < N; j++)
        x.at[k].at[j] = from_wide<T>(to_wide(x.at[k].at[j]) + to_wide(branch.at[k].at[j]));
    x.store(static_cast<T*>(f.sum) + row * f.d, vectors);
  }
  Wide<T> squares = 0;
#pragma unroll
  for (int k = 0; k < K; k++)
#pragma unroll
    for (int j = 0; j < N; j++) squares += to_wide(x.at[k].at[j]) * to_wide(x.at[k].at[j]);
  const auto mean = team_sum<Team>(squares) / static_cast<Wide<T>>(f.d);
  const auto rstd = 1 / sqrt(mean + static_cast<Wide<T>>(f.eps));
  if (threadIdx.x % Team == 0 && row < f.rows) static_cast<Wide<T>*>(f.rstd)[row] = rstd;
#pragma unroll
  for (int k = 0; k < K; k++)
#pragma unroll
    for (int j = 0; j < N; j++) {
      const T normed = from_wide<T>(to_wide(x.at[k].at[j]) * rstd);
      x.at[k].at[j] = from_wide<T>(to_wide(normed) * to_wide(weight.at[k].at[j]));
    }
  x.store(static_cast<T*>(f.y) + row * f.d, vectors);
}

// Longer rows: they are read a second time for their result, by then from the cache.
template <class T, int N, int Team>
__global__ void __launch_bounds__(kThreads) forward_long_rows(const RmsNormForward f) {
  using V = Vector<T, N>;
  let_next_start();
  wait_for_earlier();
  const int lane = threadIdx.x % Team;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (kThreads / Team) + threadIdx.x / Team;
  const int vectors = row < f.rows ? f.d / N : 0;  // a team without a row goes along: the sum is the warp's
  const T* x = static_cast<const T*>(f.x) + row * f.d;
  Wide<T> squares = 0;
  if (f.branch) {
    const T* branch = static_cast<const T*>(f.branch) + row * f.d;
    T* sum = static_cast<T*>(f.sum) + row * f.d;
    for (int i = lane; i < vectors; i += Team) {
      V v = V::load(x, i);
      const V b = V::load(branch, i);
#pragma unroll
      for (int j = 0; j < N; j++) {
        v.at[j] = from_wide<T>(to_wide(v.at[j]) + to_wide(b.at[j]));
        squares += to_wide(v.at[j]) * to_wide(v.at[j]);
      }
      v.store(sum, i);
    }
    x = sum;
  } else {
    for (int i = lane; i < vectors; i += Team) {
      const V v = V::load(x, i);
#pragma unroll
      for (int j = 0; j < N; j++) squares += to_wide(v.at[j]) * to_wide(v.at[j]);
    }
  }
  const auto mean = team_sum<Team>(squares) / static_cast<Wide<T>>(f.d);
  const auto rstd = 1 / sqrt(mean + static_cast<Wide<T>>(f.eps));
  if (lane == 0 && row < f.rows) static_cast<Wide<T>*>(f.rstd)[row] = rstd;
  const T* weight = static_cast<const T*>(f.weight);
  T* y = static_cast<T*>(f.y) + row * f.d;
  for (int i = lane; i < vectors; i += Team) {
    V v = V::load(x, i);
    const V w = V::load(weight, i);
#pragma unroll
    for (int j = 0; j < N; j++) {
      const T normed = from_wide<T>(to_wide(v.at[j]) * rstd);
      v.at[j] = from_wide<T>(to_wide(normed) * to_wide(w.at[j]));
    }
    v.store(y, i);
  }
}

// ---- backward: consecutive rows for each block, shared out to its teams ----

// The sums of the weight's gradient, (teams, N, D / N) in shared memory: neighbouring lanes meet neighbouring
// banks.
template <class T>
__device__ Wide<T>* team_sums() {
  extern __shared__ __align__(16) unsigned char shared[];
  return reinterpret_cast<Wide<T>*>(shared);
}

// With n = x rstd and g = grad_y weight: grad_x = rstd (g - n mean(g n)), grad_weight += grad_y n.
template <class T, int N, int Team>
__device__ void backward_row(const RmsNormBackward& b, int64_t row, bool there, Wide<T>* sums) {
  using V = Vector<T, N>;
  const int lane = threadIdx.x % Team, row_vectors = b.d / N, vectors = there ? row_vectors : 0;
  const T* x = static_cast<const T*>(b.x) + row * b.d;
  const T* weight = static_cast<const T*>(b.weight);
  const T* grad_y = static_cast<const T*>(b.grad_y) + row * b.d;
  const Wide<T> rstd = there ? static_cast<const Wide<T>*>(b.rstd)[row] : 0;
  Wide<T> dots = 0;
  for (int i = lane; i < vectors; i += Team) {
    const V v = V::load(x, i), g = V::load(grad_y, i), w = V::load(weight, i);
#pragma unroll
    for (int j = 0; j < N; j++) {
      dots += to_wide(g.at[j]) * to_wide(w.at[j]) * to_wide(v.at[j]);
      sums[j * row_vectors + i] += to_wide(g.at[j]) * (to_wide(v.at[j]) * rstd);
    }
  }
  const auto slope = team_sum<Team>(dots) * rstd * rstd * rstd / static_cast<Wide<T>>(b.d);
  const T* grad_sum = b.grad_sum ? static_cast<const T*>(b.grad_sum) + row * b.d : nullptr;
  T* grad_x = static_cast<T*>(b.grad_x) + row * b.d;
  for (int i = lane; i < vectors; i += Team) {
    const V v = V::load(x, i), g = V::load(grad_y, i), w = V::load(weight, i);
    const V along = grad_sum ? V::load(grad_sum, i) : V{};
    V out;
#pragma unroll
    for (int j = 0; j < N; j++)
      out.at[j] = from_wide<T>(to_wide(g.at[j]) * to_wide(w.at[j]) * rstd - to_wide(v.at[j]) * slope +
                               to_wide(along.at[j]));
    out.store(grad_x, i);
  }
}

// What the teams have added up, one after the other, as this block's part.
template <class T, int N, int Team>
__device__ void store_partial(const RmsNormBackward& b, const Wide<T>* sums) {
  constexpr int kTeams = kThreads / Team;
  __syncthreads();
  Wide<T>* partial = static_cast<Wide<T>*>(b.partial) + blockIdx.x * b.d;
  const int vectors = b.d / N;
  for (int column = threadIdx.x; column < b.d; column += kThreads) {
    Wide<T> sum = 0;
    for (int t = 0; t < kTeams; t++) sum += sums[t * b.d + (column % N) * vectors + column / N];
    partial[column] = sum;
  }
}

template <class T, int N, int Team>
__global__ void __launch_bounds__(kThreads)
    backward_long_rows(const RmsNormBackward b, int64_t rows_per_block) {
  constexpr int kTeams = kThreads / Team;
  Wide<T>* sums = team_sums<T>();
  for (int i = threadIdx.x; i < kTeams * b.d; i += kThreads) sums[i] = 0;
  __syncthreads();
  const int team = threadIdx.x / Team;
  const int64_t begin = blockIdx.x * rows_per_block, end = min(b.rows, begin + rows_per_block);
  for (int64_t row = begin + team; row - team < end; row += kTeams)
    backward_row<T, N, Team>(b, row, row < end, sums + team * b.d);
  store_partial<T, N, Team>(b, sums);
}

/// What flows into a row, in registers; of a row that is not there, zeros.
template <class T, int N, int Team, int K>
struct Flow {
  Share<T, N, Team, K> x, grad_y, grad_sum;

  __device__ Flow(const RmsNormBackward& b, int64_t row, int64_t end) {
    const int vectors = row < end ? b.d / N : 0;
    const int64_t at = row * b.d;
    x = Share<T, N, Team, K>::load(static_cast<const T*>(b.x) + at, vectors);
    grad_y = Share<T, N, Team, K>::load(static_cast<const T*>(b.grad_y) + at, vectors);
    grad_sum = Share<T, N, Team, K>::load(static_cast<const T*>(b.grad_sum) + at, b.grad_sum ? vectors : 0);
  }
};

// Rows of at most K Team vectors: the weight and its gradient's sums stay in registers, and the next row is
// on its way while the threads agree on this one's sum.
template <class T, int N, int Team, int K>
__global__ void __launch_bounds__(kThreads) backward_rows(const RmsNormBackward b, int64_t rows_per_block) {
  constexpr int kTeams = kThreads / Team;
  const int team = threadIdx.x / Team, vectors = b.d / N;
  const auto weight = Share<T, N, Team, K>::load(static_cast<const T*>(b.weight), vectors);
  Wide<T> grad_weight[K][N] = {};
  const int64_t begin = blockIdx.x * rows_per_block, end = min(b.rows, begin + rows_per_block);
  Flow<T, N, Team, K> next(b, begin + team, end);
  for (int64_t row = begin + team; row - team < end; row += kTeams) {
    const auto flow = next;
    next = Flow<T, N, Team, K>(b, row + kTeams, end);
    const Wide<T> rstd = row < end ? static_cast<const Wide<T>*>(b.rstd)[row] : 0;
    Wide<T> dots = 0;
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
      for (int j = 0; j < N; j++) {
        const auto v = to_wide(flow.x.at[k].at[j]), g = to_wide(flow.grad_y.at[k].at[j]);
        dots += g * to_wide(weight.at[k].at[j]) * v;
        grad_weight[k][j] += g * (v * rstd);
      }
    const auto slope = team_sum<Team>(dots) * rstd * rstd * rstd / static_cast<Wide<T>>(b.d);
    Share<T, N, Team, K> grad_x;
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
      for (int j = 0; j < N; j++) {
        const auto v = to_wide(flow.x.at[k].at[j]), g = to_wide(flow.grad_y.at[k].at[j]);
        grad_x.at[k].at[j] = from_wide<T>(g * to_wide(weight.at[k].at[j]) * rstd - v * slope +
                                          to_wide(flow.grad_sum.at[k].at[j]));
      }
    grad_x.store(static_cast<T*>(b.grad_x) + row * b.d, row < end ? vectors : 0);
  }
  Wide<T>* sums = team_sums<T>();
#pragma unroll
  for (int k = 0; k < K; k++) {
    const int i = threadIdx.x % Team + k * Team;
#pragma unroll
    for (int j = 0; j < N; j++)
      if (i < vectors) sums[team * b.d + j * vectors + i] = grad_weight[k][j];
  }
  store_partial<T, N, Team>(b, sums);
}

// ---- launches ----

/// body(N, Team, K) as constants: elements an access, threads a row, and accesses of each of them; K of 0
/// where those are more than registers are for.
template <class T, class Body>
void for_shape(int64_t d, bool aligned, const Body& body) {
  const auto with = [&]<int N>() {
    const int64_t vectors = d / N;
    if (vectors <= 8) return body.template operator()<N, 8, 1>();
    if (vectors <= 16) return body.template operator()<N, 16, 1>();
    if (vectors <= 32) return body.template operator()<N, 32, 1>();
    if (vectors <= 64) return body.template operator()<N, 32, 2>();
    if (vectors <= 128) return body.template operator()<N, 32, 4>();
    if (vectors <= kThreads) return body.template operator()<N, kThreads, 1>();
    if (vectors <= 2 * kThreads) return body.template operator()<N, kThreads, 2>();
    if (vectors <= 4 * kThreads) return body.template operator()<N, kThreads, 4>();
    body.template operator()<N, kThreads, 0>();
  };
  aligned ? with.template operator()<kPerAccess<T>>() : with.template operator()<1>();
}

}  // namespace

void rms_norm_forward(Element type, const RmsNormForward& f, Stream stream) {
  if (f.rows == 0) return;
  for_element(type, [&]<class T>(T) {
    const bool aligned = rows_aligned<T>(f.d, f.x, f.branch, f.weight, f.sum, f.y);
    for_shape<T>(f.d, aligned, [&]<int N, int Team, int K>() {
      constexpr int64_t kTeams = kThreads / Team;
      const dim3 blocks(static_cast<unsigned>((f.rows + kTeams - 1) / kTeams));
      const auto launch = [&](auto* kernel) {
        launch_early("rms_norm_forward", kernel, blocks, kThreads, 0, stream, f);
      };
      if constexpr (K > 0)
        launch(forward_rows<T, N, Team, K>);
      else
        launch(forward_long_rows<T, N, Team>);
    });
  });
}

int64_t rms_norm_blocks(int64_t rows) {
  return std::min((rows + kRowsPerBlock - 1) / kRowsPerBlock, kMaxBlocks);
}

void rms_norm_backward(Element type, const RmsNormBackward& b, Stream stream) {
  if (b.rows == 0) return;
  const int64_t blocks = rms_norm_blocks(b.rows), rows_per_block = (b.rows + blocks - 1) / blocks;
  for_element(type, [&]<class T>(T) {
    const bool aligned = rows_aligned<T>(b.d, b.x, b.weight, b.grad_y, b.grad_sum, b.grad_x);
    for_shape<T>(b.d, aligned, [&]<int N, int Team, int K>() {
      const size_t shared = (kThreads / Team) * b.d * sizeof(Wide<T>);
      const auto launch = [&](auto* kernel) {
        allow_shared(kernel, shared);
        kernel<<<static_cast<unsigned>(blocks), kThreads, shared, static_cast<cudaStream_t>(stream)>>>(
            b, rows_per_block);
      };
      if constexpr (K > 0)
        launch(backward_rows<T, N, Team, K>);
      else
        launch(backward_long_rows<T, N, Team>);
    });
  });
  check_launch("rms_norm_backward");
}

}  // namespace tongueforge::kernels::cuda
