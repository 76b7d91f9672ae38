#include <algorithm>

#include "kernels/cuda/common.cuh"
#include "kernels/dropout_cuda.h"

namespace tongueforge::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 4096;

__global__ void __launch_bounds__(kThreads) drop_values(const Drop d) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < d.size; i += step)
    d.y[i] = is_dropped(d.key, static_cast<uint64_t>(i), d.threshold) ? 0.0f : d.x[i] * d.kept_scale;
}

}  // namespace

void drop(const Drop& d, Stream stream) {
  if (d.size == 0) return;
  const int64_t blocks = std::min((d.size + kThreads - 1) / kThreads, kMaxBlocks);
  drop_values<<<static_cast<unsigned>(blocks), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(d);
  check_launch("drop");
}

}  // namespace tongueforge::kernels::cuda
