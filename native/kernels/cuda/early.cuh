// Kernels that get ready while the one before them still runs (programmatic dependent launch, compute
// capability 9.0). In a chain of small kernels the time between two of them is a good part of the whole.
//   1. A kernel started by launch_early() may run before what precedes it in the stream is done: until
//      wait_for_earlier() it reads nothing but weights, and writes nothing. It always waits.
//   2. let_next_start() allows the same to the kernel behind, once every block has said so.
// On older cards both do nothing, and kernels follow each other as always.
#pragma once
#include "kernels/cuda/common.cuh"

namespace tongueforge::kernels::cuda {

__device__ inline void wait_for_earlier() {
#if __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}

__device__ inline void let_next_start() {
#if __CUDA_ARCH__ >= 900
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}

/// kernel<<<blocks, threads, shared, stream>>>(arguments...), early where the card can, and its check.
template <class... Parameters>
void launch_early(const char* name, void (*kernel)(Parameters...), dim3 blocks, int threads, size_t shared,
                  Stream stream, std::type_identity_t<Parameters>... arguments) {
  int device = 0, major = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  cudaLaunchAttribute early = {};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = blocks, config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = shared, config.stream = static_cast<cudaStream_t>(stream);
  config.attrs = &early, config.numAttrs = major >= 9 ? 1 : 0;
  cudaLaunchKernelEx(&config, kernel, arguments...);
  check_launch(name);
}

}  // namespace tongueforge::kernels::cuda
