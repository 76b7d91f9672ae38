// What a launcher of CUDA kernels needs to know beside pointers and sizes. Plain C++, for .cpp and .cu alike:
// neither CUDA nor ATen is included.
#pragma once

// 1 in a build that has the CUDA kernels (cmake/cuda.cmake), else 0.
#ifndef TONGUEFORGE_CUDA
#define TONGUEFORGE_CUDA 0
#endif

namespace tongueforge::kernels::cuda {

/// What a pointer points to.
enum class Element { f32, bf16, f16, f64 };

/// A cudaStream_t.
using Stream = void*;

}  // namespace tongueforge::kernels::cuda
