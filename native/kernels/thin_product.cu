#include "kernels/cuda/early.cuh"
#include "kernels/thin_product_cuda.h"

namespace tongueforge::kernels::cuda {
namespace {

constexpr int kWarp = 32, kWarps = 8;
constexpr int kLoads = 8;  // of a lane at a time: enough bytes on their way to busy the memory

/// What is read once and used once does not have to displace anything from the caches.
template <class T>
__device__ Vector<T> load_once(const T* row, int64_t i) {
  const int4 raw = __ldcs(reinterpret_cast<const int4*>(row) + i);
  return reinterpret_cast<const Vector<T>&>(raw);
}

/// Products of a warp: N rows of weights with M rows of x, in float; every lane has them in the end.
template <class T, int M, int N>
struct WarpProducts {
  static constexpr int kRound = kLoads / N;
  float sums[N][M] = {};

  /// The first round of weights is on its way before x is there.
  __device__ WarpProducts(const T* const (&weights)[N], const T* x, int64_t in) {
    const int64_t vectors = in / kPerAccess<T>;
    const int lane = threadIdx.x % kWarp;
    Vector<T> w[kRound][N];
    load(w, weights, lane, vectors);
    wait_for_earlier();
    for (int64_t first = lane; first < vectors; first += kRound * kWarp) {
      if (first > lane) load(w, weights, first, vectors);
      add(w, x, in, first, vectors);
    }
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
      for (int m = 0; m < M; m++) sums[n][m] = warp_sum(sums[n][m]);
  }

 private:
  static __device__ void load(Vector<T> (&w)[kRound][N], const T* const (&weights)[N], int64_t first,
                              int64_t vectors) {
#pragma unroll
    for (int u = 0; u < kRound; u++)
#pragma unroll
      for (int n = 0; n < N; n++) {
        const int64_t i = first + u * kWarp;
        w[u][n] = i < vectors ? load_once(weights[n], i) : Vector<T>{};
      }
  }

  __device__ void add(const Vector<T> (&w)[kRound][N], const T* x, int64_t in, int64_t first,
                      int64_t vectors) {
#pragma unroll
    for (int u = 0; u < kRound; u++) {
      const int64_t i = first + u * kWarp;
      if (i >= vectors) break;
#pragma unroll
      for (int m = 0; m < M; m++) {
        const auto row = Vector<T>::load(x + m * in, i);
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
          for (int j = 0; j < kPerAccess<T>; j++) sums[n][m] += to_wide(w[u][n].at[j]) * to_wide(row.at[j]);
      }
    }
  }
};

__device__ inline int64_t row_of_warp() {
  return static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
}

/// A warp: one row of the weights of one part.
template <class T, int M>
__global__ void __launch_bounds__(kWarp* kWarps) product(const ThinProduct p) {
  let_next_start();
  int64_t row = row_of_warp();
  ThinPart of = p.parts[0];
#pragma unroll
  for (int next = 1; next < kMostThinParts; next++)
    if (row >= of.out) row -= of.out, of = p.parts[next];
  if (row >= of.out) return wait_for_earlier();  // without a row, it waits like the others
  const T* const weights[1] = {static_cast<const T*>(of.weight) + row * p.in};
  const WarpProducts<T, M, 1> products(weights, static_cast<const T*>(p.x), p.in);
  const float bias = of.bias ? to_wide(static_cast<const T*>(of.bias)[row]) : 0.0f;
  if (threadIdx.x % kWarp == 0)
#pragma unroll
    for (int m = 0; m < M; m++)
      static_cast<T*>(of.y)[m * of.out + row] = from_wide<T>(products.sums[0][m] + bias);
}

/// A warp: one row of the gate and the same of up.
template <class T, int M>
__global__ void __launch_bounds__(kWarp* kWarps) gated_product(const ThinProduct p) {
  let_next_start();
  const int64_t row = row_of_warp();
  if (row >= p.parts[0].out) return wait_for_earlier();
  const T* const weights[2] = {static_cast<const T*>(p.parts[0].weight) + row * p.in,
                               static_cast<const T*>(p.parts[1].weight) + row * p.in};
  const WarpProducts<T, M, 2> products(weights, static_cast<const T*>(p.x), p.in);
  if (threadIdx.x % kWarp == 0)
#pragma unroll
    for (int m = 0; m < M; m++) {
      const float gate = to_wide(from_wide<T>(products.sums[0][m])),
                  up = to_wide(from_wide<T>(products.sums[1][m]));
      static_cast<T*>(p.parts[0].y)[m * p.parts[0].out + row] = from_wide<T>(gate / (1 + expf(-gate)) * up);
    }
}

template <class T, int M>
void launch(const ThinProduct& p, bool gated, Stream stream) {
  int64_t out = 0;
  for (const auto& part : p.parts) out += gated && out > 0 ? 0 : part.out;
  const dim3 blocks(static_cast<unsigned>((out + kWarps - 1) / kWarps));
  if (gated)
    launch_early("thin_gated_product", gated_product<T, M>, blocks, kWarp * kWarps, 0, stream, p);
  else
    launch_early("thin_product", product<T, M>, blocks, kWarp * kWarps, 0, stream, p);
}

template <class T>
void launch_rows(const ThinProduct& p, bool gated, Stream stream) {
  if (p.rows == 1) return launch<T, 1>(p, gated, stream);
  if (p.rows == 2) return launch<T, 2>(p, gated, stream);
  if (p.rows == 3) return launch<T, 3>(p, gated, stream);
  launch<T, 4>(p, gated, stream);
}

void launch_any(Element type, const ThinProduct& p, bool gated, Stream stream) {
  for_element(type, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, double>) launch_rows<T>(p, gated, stream);
  });
}

}  // namespace

void thin_product(Element type, const ThinProduct& p, Stream stream) { launch_any(type, p, false, stream); }

void thin_gated_product(Element type, const ThinProduct& p, Stream stream) {
  launch_any(type, p, true, stream);
}

}  // namespace tongueforge::kernels::cuda
