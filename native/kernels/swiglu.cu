#include <algorithm>

#include "kernels/cuda/common.cuh"
#include "kernels/swiglu_cuda.h"

namespace tongueforge::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// Of float, for a result of 16 bits, the fast functions: 2 ulp, and 1 ulp an unit of x.
template <class T>
__device__ Wide<T> sigmoid(Wide<T> x) {
  if constexpr (sizeof(T) == 2)
    return __fdividef(1.0f, 1.0f + __expf(-x));
  else
    return 1 / (1 + exp(-x));
}

/// Consecutive rows of one launch, each of `accesses` vectors: a thread for each.
struct Shape {
  int64_t first_row;
  uint32_t rows, accesses;

  __host__ __device__ uint32_t threads() const { return rows * accesses; }
};

/// body(row, i) for the thread's vector i of a row.
template <class Body>
__device__ void for_thread(const Shape& shape, const Body& body) {
  const uint32_t thread = blockIdx.x * kThreads + threadIdx.x;
  if (thread < shape.threads()) body(shape.first_row + thread / shape.accesses, thread % shape.accesses);
}

template <class T, int N>
__device__ Vector<T, N> load(const ConstRows& rows, int64_t row, int64_t i) {
  return Vector<T, N>::load(static_cast<const T*>(rows.data) + row * rows.stride, i);
}
template <class T, int N>
__device__ void store(const Vector<T, N>& v, const Rows& rows, int64_t row, int64_t i) {
  v.store(static_cast<T*>(rows.data) + row * rows.stride, i);
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) forward(const SwigluForward f, const Shape shape) {
  for_thread(shape, [&](int64_t row, int64_t i) {
    const auto gate = load<T, N>(f.gate, row, i), up = load<T, N>(f.up, row, i);
    Vector<T, N> y;
#pragma unroll
    for (int j = 0; j < N; j++) {
      const auto g = to_wide(gate.at[j]);
      y.at[j] = from_wide<T>(g * sigmoid<T>(g) * to_wide(up.at[j]));
    }
    store(y, f.y, row, i);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) backward(const SwigluBackward b, const Shape shape) {
  for_thread(shape, [&](int64_t row, int64_t i) {
    const auto gate = load<T, N>(b.gate, row, i), up = load<T, N>(b.up, row, i);
    const auto grad_y = load<T, N>(b.grad_y, row, i);
    Vector<T, N> grad_gate, grad_up;
#pragma unroll
    for (int j = 0; j < N; j++) {
      const auto g = to_wide(gate.at[j]), d = to_wide(grad_y.at[j]), s = sigmoid<T>(g);
      grad_gate.at[j] = from_wide<T>(d * to_wide(up.at[j]) * s * (1 + g * (1 - s)));
      grad_up.at[j] = from_wide<T>(d * g * s);
    }
    store(grad_gate, b.grad_gate, row, i);
    store(grad_up, b.grad_up, row, i);
  });
}

/// Whether all rows begin where an access of 16 bytes may.
template <class T, class... SomeRows>
bool is_aligned(int64_t f, const SomeRows&... rows) {
  return rows_aligned<T>(f, rows.data...) && ((rows.stride % kPerAccess<T> == 0) && ...);
}

/// body(shape, blocks) for so many rows at a time that threads are numbered in 32 bits.
template <class Body>
void for_launches(int64_t rows, int64_t accesses, const Body& body) {
  if (accesses == 0) return;
  const int64_t most = std::max<int64_t>(1, (int64_t{1} << 30) / accesses);
  for (int64_t first = 0; first < rows; first += most) {
    const Shape shape = {first, static_cast<uint32_t>(std::min(most, rows - first)),
                         static_cast<uint32_t>(accesses)};
    body(shape, (shape.threads() + kThreads - 1) / kThreads);
  }
}

}  // namespace

void swiglu_forward(Element type, const SwigluForward& f, Stream stream) {
  for_element(type, [&]<class T>(T) {
    const auto launch = [&]<int N>() {
      for_launches(f.rows, f.f / N, [&](const Shape& shape, unsigned blocks) {
        forward<T, N><<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(f, shape);
        check_launch("swiglu_forward");
      });
    };
    is_aligned<T>(f.f, f.gate, f.up, f.y) ? launch.template operator()<kPerAccess<T>>()
                                          : launch.template operator()<1>();
  });
}

void swiglu_backward(Element type, const SwigluBackward& b, Stream stream) {
  for_element(type, [&]<class T>(T) {
    const auto launch = [&]<int N>() {
      for_launches(b.rows, b.f / N, [&](const Shape& shape, unsigned blocks) {
        backward<T, N><<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(b, shape);
        check_launch("swiglu_backward");
      });
    };
    is_aligned<T>(b.f, b.gate, b.up, b.grad_y, b.grad_gate, b.grad_up)
        ? launch.template operator()<kPerAccess<T>>()
        : launch.template operator()<1>();
  });
}

}  // namespace tongueforge::kernels::cuda
