// A kernel whose blocks all run at the same time, so that they can wait for each other.
#pragma once
#include "kernels/cuda/common.cuh"

namespace tongueforge::kernels::cuda {

/// A barrier of all blocks: what was written before it is seen by all behind. `arrived` is 0 at the launch.
/// Its state is in shared memory, one a kernel, so that nobody carries it around.
struct GridBarrier {
  static __device__ uint32_t& all() {
    __shared__ uint32_t passed;
    return passed;
  }

  /// By all threads, before the first wait().
  static __device__ void init() {
    if (threadIdx.x == 0) all() = 0;
  }

  static __device__ void wait(uint32_t* arrived) {
    __syncthreads();
    if (threadIdx.x == 0) {
      const uint32_t needed = all() += gridDim.x;
      __threadfence();
      atomicAdd(arrived, 1u);
      while (now(arrived) < needed) {}
      __threadfence();
    }
    __syncthreads();
  }

 private:
  static __device__ uint32_t now(const uint32_t* arrived) {
    uint32_t value;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(arrived) : "memory");
    return value;
  }
};

/// One block on each multiprocessor of the current device.
inline unsigned multiprocessors() {
  int device = 0, count = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  return static_cast<unsigned>(count);
}

/// kernel<<<blocks, threads, shared, stream>>>(arguments...) of blocks that run together, or a refusal.
template <class... Parameters>
void launch_together(const char* name, void (*kernel)(Parameters...), unsigned blocks, unsigned threads,
                     size_t shared, Stream stream, std::type_identity_t<Parameters>... arguments) {
  cudaLaunchAttribute together = {};
  together.id = cudaLaunchAttributeCooperative;
  together.val.cooperative = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(blocks), config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared, config.stream = static_cast<cudaStream_t>(stream);
  config.attrs = &together, config.numAttrs = 1;
  cudaLaunchKernelEx(&config, kernel, arguments...);
  check_launch(name);
}

}  // namespace tongueforge::kernels::cuda
