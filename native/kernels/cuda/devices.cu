#include "kernels/cuda/devices.h"

#include "kernels/cuda/common.cuh"

namespace tongueforge::kernels::cuda {

Devices devices() {
  Devices found;
  int count = 0;
  cudaError_t status = cudaGetDeviceCount(&count);
  for (int i = 0; status == cudaSuccess && i < count; i++) {
    cudaDeviceProp facts;
    status = cudaGetDeviceProperties(&facts, i);
    if (status == cudaSuccess)
      found.list.push_back(
          {i, facts.name, static_cast<int64_t>(facts.totalGlobalMem), facts.major, facts.minor});
  }
  if (status != cudaSuccess) {
    found.problem = cudaGetErrorString(status);
    cudaGetLastError();  // told here: the check of a later launch is not to meet it
  }
  return found;
}

}  // namespace tongueforge::kernels::cuda
