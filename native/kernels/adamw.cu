#include "kernels/adamw_cuda.h"
#include "kernels/cuda/common.cuh"
#include "kernels/stochastic_rounding.h"

namespace tongueforge::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kGroup = 8;                             // elements a thread takes at a time
constexpr int64_t kPerBlock = kThreads * kGroup * 8;  // elements a block takes
constexpr int kTensorsPerLaunch = 56;                 // the arguments of a launch fit into 4 KB

/// Tensors whose blocks follow each other.
struct Tensors {
  AdamWTensor at[kTensorsPerLaunch];
  unsigned first_block[kTensorsPerLaunch + 1];
  int count;
};

/// Of the update, from the scalars on the device.
struct Numbers {
  float decay, beta1, rest1, beta2, rest2, step_size, root_scale, eps, scale;  // rest: 1 - beta
  uint32_t update;
};

__device__ Numbers numbers_of(const AdamWArguments& a) {
  const double lr = *a.lr, count = *a.count;
  const double correction1 = 1 - pow(a.beta1, count), correction2 = 1 - pow(a.beta2, count);
  return {static_cast<float>(1 - lr * a.weight_decay),
          static_cast<float>(a.beta1),
          static_cast<float>(1 - a.beta1),
          static_cast<float>(a.beta2),
          static_cast<float>(1 - a.beta2),
          static_cast<float>(lr / correction1),
          static_cast<float>(1 / sqrt(correction2)),
          static_cast<float>(a.eps),
          a.scale ? *a.scale : 1.0f,
          static_cast<uint32_t>(*a.count)};
}

__device__ float updated(float value, float gradient, float& first, float& second, const Numbers& n) {
  first = n.beta1 * first + n.rest1 * gradient;
  second = n.beta2 * second + n.rest2 * gradient * gradient;
  return value * n.decay - n.step_size * first / (sqrtf(second) * n.root_scale + n.eps);
}

/// The i-th group of eight, or its only element: accesses of 16 bytes, or plain ones.
template <class T, int N>
struct Group {
  static constexpr int kWidth = N == 1 ? 1 : kPerAccess<T>;
  T at[N];

  static __device__ Group load(const void* from, int64_t i) {
    Group group;
#pragma unroll
    for (int part = 0; part < N / kWidth; part++) {
      const auto v = Vector<T, kWidth>::load(static_cast<const T*>(from), i * (N / kWidth) + part);
#pragma unroll
      for (int j = 0; j < kWidth; j++) group.at[part * kWidth + j] = v.at[j];
    }
    return group;
  }
  __device__ void store(void* to, int64_t i) const {
#pragma unroll
    for (int part = 0; part < N / kWidth; part++) {
      Vector<T, kWidth> v;
#pragma unroll
      for (int j = 0; j < kWidth; j++) v.at[j] = at[part * kWidth + j];
      v.store(static_cast<T*>(to), i * (N / kWidth) + part);
    }
  }
};

template <class T>
__device__ T rounded_by_odds(float x, uint32_t random) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>)
    return __ushort_as_bfloat16(stochastic_bfloat16(x, random));
  else if constexpr (std::is_same_v<T, __half>)
    return __ushort_as_half(stochastic_float16(x, random));
  else
    return x;
}

/// Elements N i and on of one tensor. M: of the master, W: of the weight, G: of the gradient.
template <class M, class W, class G, int N>
__device__ void update_group(const AdamWTensor& t, int64_t i, const Numbers& n, bool stochastic,
                             uint64_t seed) {
  auto master = Group<M, N>::load(t.master, i);
  const auto gradient = Group<G, N>::load(t.gradient, i);
  auto first = Group<float, N>::load(t.first, i), second = Group<float, N>::load(t.second, i);
  Group<W, N> weight;
  RandomBits bits{};
  if (stochastic) bits = rounding_bits(seed, t.number, n.update, i * N / kGroup);
#pragma unroll
  for (int j = 0; j < N; j++) {
    const float value =
        updated(to_wide(master.at[j]), to_wide(gradient.at[j]) * n.scale, first.at[j], second.at[j], n);
    weight.at[j] =
        stochastic ? rounded_by_odds<W>(value, bits.half((i * N + j) % kGroup)) : from_wide<W>(value);
    if constexpr (std::is_same_v<M, float>)
      master.at[j] = value;
    else
      master.at[j] = weight.at[j];
  }
  master.store(t.master, i);
  first.store(t.first, i);
  second.store(t.second, i);
  if (t.weight) weight.store(t.weight, i);
}

template <class M, class W, class G>
__global__ void __launch_bounds__(kThreads)
    update_tensors(const __grid_constant__ Tensors tensors, const __grid_constant__ AdamWArguments a) {
  __shared__ Numbers shared;
  if (threadIdx.x == 0) shared = numbers_of(a);
  __syncthreads();
  const Numbers n = shared;
  if (isnan(n.scale)) return;
  int which = 0;
  while (which + 1 < tensors.count && tensors.first_block[which + 1] <= blockIdx.x) which++;
  const AdamWTensor& t = tensors.at[which];
  const int64_t begin = (blockIdx.x - tensors.first_block[which]) * kPerBlock;
  const int64_t end = min(t.size, begin + kPerBlock);
  const auto aligned = [](const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; };
  int64_t done = begin;
  if (aligned(t.master) && aligned(t.weight) && aligned(t.gradient) && aligned(t.first) &&
      aligned(t.second)) {
    done = end / kGroup * kGroup;
    for (int64_t i = begin / kGroup + threadIdx.x; i < done / kGroup; i += kThreads)
      update_group<M, W, G, kGroup>(t, i, n, a.stochastic, a.seed);
  }
  for (int64_t i = done + threadIdx.x; i < end; i += kThreads)
    update_group<M, W, G, 1>(t, i, n, a.stochastic, a.seed);
}

/// As many of the tensors from `begin` on as one launch takes, those without elements left out; `end`: the
/// first that is not among them.
Tensors batch_of(const std::vector<AdamWTensor>& all, size_t begin, size_t& end) {
  Tensors batch{};
  for (end = begin; end < all.size() && batch.count < kTensorsPerLaunch; end++) {
    batch.at[batch.count] = all[end];
    const auto blocks = static_cast<unsigned>((all[end].size + kPerBlock - 1) / kPerBlock);
    batch.first_block[batch.count + 1] = batch.first_block[batch.count] + blocks;
    batch.count++;
  }
  return batch;
}

/// body(M{}, W{}, G{}) for what AdamW allows: a master of float or of the weight's type, a gradient likewise.
template <class Body>
void for_types(const AdamWTypes& types, const Body& body) {
  for_element(types.weight, [&]<class W>(W) {
    if constexpr (!std::is_same_v<W, double>) {
      const bool wide_master = types.master == Element::f32, wide_gradient = types.gradient == Element::f32;
      if (wide_master && wide_gradient) return body(float{}, W{}, float{});
      if (wide_master) return body(float{}, W{}, W{});
      if (wide_gradient) return body(W{}, W{}, float{});
      body(W{}, W{}, W{});
    }
  });
}

}  // namespace

void adamw(const AdamWTypes& types, const std::vector<AdamWTensor>& tensors, const AdamWArguments& arguments,
           Stream stream) {
  for (size_t begin = 0, end = 0; begin < tensors.size(); begin = end) {
    const Tensors batch = batch_of(tensors, begin, end);
    const unsigned blocks = batch.first_block[batch.count];
    if (blocks == 0) continue;
    for_types(types, [&]<class M, class W, class G>(M, W, G) {
      update_tensors<M, W, G><<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(batch, arguments);
    });
    check_launch("adamw");
  }
}

}  // namespace tongueforge::kernels::cuda
