// What the CUDA kernels share: element types, accesses of 16 bytes, sums over threads, the check after a
// launch. Included by .cu files alone, which see the CUDA runtime and our own plain headers, never ATen.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <string>
#include <type_traits>

#include "core/error.h"
#include "kernels/cuda/launch.h"

namespace tongueforge::kernels::cuda {

// ---- element types ----

/// body(T{}) with T = float, __nv_bfloat16, __half or double.
template <class Body>
void for_element(Element type, const Body& body) {
  switch (type) {
    case Element::f32:
      return body(float{});
    case Element::bf16:
      return body(__nv_bfloat16{});
    case Element::f16:
      return body(__half{});
    case Element::f64:
      return body(double{});
  }
}

/// The type of arithmetic and sums: double for double, float for all others.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;

__device__ inline float to_wide(float x) { return x; }
__device__ inline double to_wide(double x) { return x; }
__device__ inline float to_wide(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float to_wide(__half x) { return __half2float(x); }

/// Rounds to nearest, ties to even.
template <class T>
__device__ inline T from_wide(Wide<T> x) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) return __float2bfloat16_rn(x);
  if constexpr (std::is_same_v<T, __half>) return __float2half_rn(x);
  if constexpr (std::is_same_v<T, Wide<T>>) return x;
}

// ---- accesses of 16 bytes ----

/// Elements that are read or written in one access; N of 1 is the plain one.
template <class T>
inline constexpr int kPerAccess = 16 / sizeof(T);

template <class T, int N = kPerAccess<T>>
struct alignas(sizeof(T) * N) Vector {
  T at[N];

  /// The i-th vector from an address that is aligned to a vector.
  static __device__ Vector load(const T* from, int64_t i) { return reinterpret_cast<const Vector*>(from)[i]; }
  __device__ void store(T* to, int64_t i) const { reinterpret_cast<Vector*>(to)[i] = *this; }
};

/// What one access brings, as words: an element is unpacked where it is used. Elements of 16 bits in
/// registers of their own would be packed and unpacked again with every move.
template <class T>
struct Packed {
  uint32_t words[4] = {};

  static __device__ Packed load(const T* from, int64_t i) {
    const int4 raw = reinterpret_cast<const int4*>(from)[i];
    return {{static_cast<uint32_t>(raw.x), static_cast<uint32_t>(raw.y), static_cast<uint32_t>(raw.z),
             static_cast<uint32_t>(raw.w)}};
  }
  __device__ void store(T* to, int64_t i) const {
    reinterpret_cast<int4*>(to)[i] = make_int4(static_cast<int>(words[0]), static_cast<int>(words[1]),
                                               static_cast<int>(words[2]), static_cast<int>(words[3]));
  }

  __device__ float at(int j) const {
    if constexpr (sizeof(T) == 4) return __uint_as_float(words[j]);
    const uint32_t word = words[j / 2];
    if constexpr (std::is_same_v<T, __nv_bfloat16>)
      return __uint_as_float(j % 2 == 0 ? word << 16 : word & 0xffff0000u);
    return __half2float(__ushort_as_half(static_cast<unsigned short>(j % 2 == 0 ? word : word >> 16)));
  }

  /// Rounds to nearest, ties to even.
  static __device__ Packed of(const float (&x)[kPerAccess<T>]) {
    Packed packed;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if constexpr (sizeof(T) == 4)
        packed.words[i] = __float_as_uint(x[i]);
      else if constexpr (std::is_same_v<T, __nv_bfloat16>)
        packed.words[i] = word_of(__floats2bfloat162_rn(x[2 * i], x[2 * i + 1]));
      else
        packed.words[i] = word_of(__floats2half2_rn(x[2 * i], x[2 * i + 1]));
    }
    return packed;
  }

 private:
  template <class Pair>
  static __device__ uint32_t word_of(const Pair& pair) {
    static_assert(sizeof(Pair) == sizeof(uint32_t));
    uint32_t word;
    memcpy(&word, &pair, sizeof word);
    return word;
  }
};

/// Whether rows of d elements of T can be accessed 16 bytes at a time from all these addresses (a null is
/// none).
template <class T, class... Pointers>
bool rows_aligned(int64_t d, const Pointers*... rows) {
  const auto aligned = [](const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; };
  return d % kPerAccess<T> == 0 && (aligned(rows) && ...);
}

// ---- sums over threads ----

/// The sum over each group of Width neighbouring lanes of a warp, a power of two; all lanes of the warp have
/// to call it.
template <int Width = 32, class W>
__device__ W warp_sum(W value) {
#pragma unroll
  for (int step = Width / 2; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

template <class W>
__device__ W warp_max(W value) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const W other = __shfl_xor_sync(0xffffffffu, value, step);
    value = other > value ? other : value;
  }
  return value;
}

namespace detail {

// One value of each warp through shared memory, then every warp combines them all: the same bytes in all
// threads.
template <class W, class Combine>
__device__ W over_warps(W value, W nothing, const Combine& combine) {
  __shared__ W of_warp[32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  value = combine(value);
  __syncthreads();  // of the last call, all have read
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  return combine(lane < static_cast<int>(blockDim.x / 32) ? of_warp[lane] : nothing);
}

}  // namespace detail

/// The sum over all threads of a block (one dimension, whole warps), known to each; all have to call it.
template <class W>
__device__ W block_sum(W value) {
  return detail::over_warps(value, W{0}, [](W v) { return warp_sum(v); });
}

/// The greatest over all threads of a block, known to each; all have to call it. A NaN may be lost.
template <class W>
__device__ W block_max(W value) {
  return detail::over_warps(value, static_cast<W>(-INFINITY), [](W v) { return warp_max(v); });
}

// ---- launches ----

/// Lets a kernel have more than the 48 KB of shared memory that all may have (up to 163 KB on compute
/// capability 8.0, 227 KB on 9.0). A refusal is told by the check after the launch.
template <class Kernel>
void allow_shared(Kernel* kernel, size_t bytes) {
  if (bytes > 40 << 10)  // the rest for what a kernel declares itself
    cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
}

/// Throws Error ERR_CUDA where the launch before it failed. `name`: the kernel's, for the message.
inline void check_launch(const char* name) {
  const cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess) return;
  throw Error("ERR_CUDA", str("CUDA kernel ", name, ": ", cudaGetErrorString(status)),
              status == cudaErrorNoKernelImageForDevice
                  ? "the build has code for compute capability 8.0 and 9.0 and newer; run it on such a GPU"
                  : "run it again with the environment variable CUDA_LAUNCH_BLOCKING=1, which finds the "
                    "kernel at fault",
              {{"kernel", name}, {"error", cudaGetErrorName(status)}});
}

}  // namespace tongueforge::kernels::cuda
