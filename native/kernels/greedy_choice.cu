#include "kernels/cuda/early.cuh"
#include "kernels/greedy_choice_cuda.h"

namespace tongueforge::kernels::cuda {
namespace {

constexpr int kThreads = 1024, kWarp = 32;

struct Candidate {
  float logit = -INFINITY;
  int64_t id = INT64_MAX;

  /// NaN is before all; of equals the first.
  __device__ bool is_before(const Candidate& other) const {
    const bool here = isnan(logit), there = isnan(other.logit);
    if (here != there) return here;
    if (!here && logit != other.logit) return logit > other.logit;
    return id < other.id;
  }
  __device__ void meet(const Candidate& other) {
    if (other.is_before(*this)) *this = other;
  }
};

__device__ Candidate first_of_warp(Candidate mine) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    Candidate other;
    other.logit = __shfl_xor_sync(0xffffffffu, mine.logit, step);
    other.id = __shfl_xor_sync(0xffffffffu, static_cast<long long>(mine.id), step);
    mine.meet(other);
  }
  return mine;
}

/// A block: one row, N elements an access.
template <class T, int N>
__global__ void __launch_bounds__(kThreads) choose(const GreedyChoice g) {
  __shared__ float logit_of_warp[kThreads / kWarp];
  __shared__ int64_t id_of_warp[kThreads / kWarp];
  let_next_start();
  wait_for_earlier();
  const T* row = static_cast<const T*>(g.logits) + blockIdx.x * g.vocabulary;
  Candidate mine;
  for (int64_t i = threadIdx.x; i < g.vocabulary / N; i += kThreads) {
    const auto v = Vector<T, N>::load(row, i);
#pragma unroll
    for (int j = 0; j < N; j++) {
      Candidate other;
      other.logit = static_cast<float>(to_wide(v.at[j])), other.id = i * N + j;
      mine.meet(other);
    }
  }
  mine = first_of_warp(mine);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  if (lane == 0) logit_of_warp[warp] = mine.logit, id_of_warp[warp] = mine.id;
  __syncthreads();
  if (warp > 0) return;
  mine.logit = logit_of_warp[lane], mine.id = id_of_warp[lane];
  mine = first_of_warp(mine);
  if (lane == 0) g.ids[blockIdx.x] = mine.id, g.best[blockIdx.x] = mine.logit;
}

}  // namespace

void greedy_choice(Element type, const GreedyChoice& g, Stream stream) {
  if (g.rows == 0) return;
  const dim3 blocks(static_cast<unsigned>(g.rows));
  for_element(type, [&]<class T>(T) {
    if (rows_aligned<T>(g.vocabulary, static_cast<const T*>(g.logits)))
      launch_early("greedy_choice", choose<T, kPerAccess<T>>, blocks, kThreads, 0, stream, g);
    else
      launch_early("greedy_choice", choose<T, 1>, blocks, kThreads, 0, stream, g);
  });
}

}  // namespace tongueforge::kernels::cuda
