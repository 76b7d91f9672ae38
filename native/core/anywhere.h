// Marks small functions that the CPU and CUDA kernels share.
#pragma once

#if defined(__CUDACC__)
#define TONGUEFORGE_ANYWHERE __host__ __device__ inline
#else
#define TONGUEFORGE_ANYWHERE inline
#endif
