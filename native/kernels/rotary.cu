#include <algorithm>

#include "kernels/cuda/common.cuh"
#include "kernels/rotary_cuda.h"

namespace tongueforge::kernels::cuda {
namespace {

constexpr int kThreads = 256;

/// What is numbered by the threads of a launch: (tokens, heads of q and k, accesses of half a head).
struct Shape {
  int64_t first_token;
  uint32_t tokens, heads, accesses;

  __host__ __device__ uint32_t threads() const { return tokens * heads * accesses; }
};

// y1 = x1 cos - x2 sin, y2 = x2 cos + x1 sin; each thread turns N pairs. The second half of cos and sin
// repeats the first.
template <class T, int N>
__global__ void __launch_bounds__(kThreads) turn(const Rotary r, const Shape shape) {
  using V = Vector<T, N>;
  const uint32_t thread = blockIdx.x * kThreads + threadIdx.x;
  if (thread >= shape.threads()) return;
  const uint32_t i = thread % shape.accesses, head_of_token = thread / shape.accesses;
  const uint32_t head = head_of_token % shape.heads;
  const int64_t token = shape.first_token + head_of_token / shape.heads;
  const int64_t b = token / r.time, t = token % r.time, half = r.head_dim / 2;
  const bool is_query = head < r.q.n;
  const RotaryHeads& heads = is_query ? r.q : r.k;
  const int64_t n = is_query ? head : head - r.q.n, angle = b * r.angle_b + t * r.head_dim;
  const T* x = static_cast<const T*>(heads.x) + b * heads.x_b + n * heads.x_n + t * heads.x_t;
  T* y = static_cast<T*>(heads.y) + b * heads.y_b + n * heads.y_n + t * heads.y_t;
  const V x1 = V::load(x, i), x2 = V::load(x + half, i);
  const V c = V::load(static_cast<const T*>(r.cos) + angle, i);
  const V s = V::load(static_cast<const T*>(r.sin) + angle, i);
  V y1, y2;
#pragma unroll
  for (int j = 0; j < N; j++) {
    const Wide<T> cos = to_wide(c.at[j]), sin = r.back ? -to_wide(s.at[j]) : to_wide(s.at[j]);
    y1.at[j] = from_wide<T>(to_wide(x1.at[j]) * cos - to_wide(x2.at[j]) * sin);
    y2.at[j] = from_wide<T>(to_wide(x2.at[j]) * cos + to_wide(x1.at[j]) * sin);
  }
  y1.store(y, i);
  y2.store(y + half, i);
}

template <class T>
bool is_aligned(const Rotary& r) {
  const auto every_head = [](const RotaryHeads& h) {
    const int64_t strides = h.x_b | h.x_n | h.x_t | h.y_b | h.y_n | h.y_t;
    return strides % kPerAccess<T> == 0 && rows_aligned<T>(kPerAccess<T>, h.x, h.y);
  };
  return rows_aligned<T>(r.head_dim / 2, r.cos, r.sin) && every_head(r.q) && every_head(r.k);
}

template <class T, int N>
void launch(const Rotary& r, cudaStream_t stream) {
  const int64_t tokens = r.batch * r.time, heads = r.q.n + r.k.n, accesses = r.head_dim / 2 / N;
  if (tokens * heads * accesses == 0) return;
  const int64_t most = std::max<int64_t>(1, (int64_t{1} << 30) / (heads * accesses));  // threads in 32 bits
  for (int64_t first = 0; first < tokens; first += most) {
    const Shape shape = {first, static_cast<uint32_t>(std::min(most, tokens - first)),
                         static_cast<uint32_t>(heads), static_cast<uint32_t>(accesses)};
    turn<T, N><<<(shape.threads() + kThreads - 1) / kThreads, kThreads, 0, stream>>>(r, shape);
    check_launch("rotary");
  }
}

}  // namespace

void rotary(Element type, const Rotary& r, Stream stream) {
  for_element(type, [&]<class T>(T) {
    is_aligned<T>(r) ? launch<T, kPerAccess<T>>(r, static_cast<cudaStream_t>(stream))
                     : launch<T, 1>(r, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace tongueforge::kernels::cuda
