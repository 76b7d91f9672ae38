#include <algorithm>

#include "kernels/decode_block.cuh"

namespace tongueforge::kernels::cuda {
namespace {

using namespace decode;

constexpr int kMostHeads = 2;  // query heads of a block
constexpr int kMostStages = 6, kFewestStages = 2;
constexpr size_t kOwnShared = 2048;  // at most, of what the kernel declares itself

/// Every element type has the same accesses.
__host__ __device__ constexpr size_t bytes_of_stages(int stages) {
  return static_cast<size_t>(stages) * kUnits * kThreads * 16;
}

template <class T, int V, int Heads, int M>
__global__ void __launch_bounds__(kThreads, 1)
    decode_all(const __grid_constant__ DecodeLayers p, int stages) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) unsigned char room[];
  __shared__ Arrival arrivals[kWarps][kMostStages];
  const int warp = threadIdx.x / kLanes;
  unsigned char* const rows = room + bytes_of_stages(stages);
  auto* const weights = reinterpret_cast<Packed<T>*>(room + bytes_of_stages(stages) / kWarps * warp);
  for (size_t i = threadIdx.x; i < bytes_of_stages(stages) / 16; i += kThreads)
    reinterpret_cast<int4*>(room)[i] = {};  // behind the end of a row stands a number, whatever it is
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  GridBarrier::init();
  __syncthreads();
  Block<T, V, Heads, M>(
      p, {weights, arrivals[warp], reinterpret_cast<T*>(rows), reinterpret_cast<float*>(rows)}, stages)
      .run();
#endif
}

// ---- on the host ----

int64_t most_group(const DecodeLayers& p) {
  return most_of(p, [](const DecodeLayer& l) { return l.heads / l.kv_heads; });
}

int heads_of_block(const DecodeLayers& p) { return most_group(p) == 1 ? 1 : kMostHeads; }

/// The input of a phase and attention, which share their place.
size_t bytes_of_rows(Element type, const DecodeLayers& p) {
  const int64_t size = type == Element::f32 ? 4 : 2, piece = kUnits * kLanes * 16;
  const int64_t in = most_of(
      p, [&](const DecodeLayer& l) { return std::max<int64_t>({p.hidden, l.heads * p.head_dim, l.inner}); });
  const int64_t rows = p.batch * cut(in * size, piece) * piece,
                attention = kWarps * heads_of_block(p) * (p.head_dim + 2) * int64_t{sizeof(float)};
  return static_cast<size_t>(std::max(rows, attention));
}

/// How many stages there is room for, or 0.
int stages_of(Element type, const DecodeLayers& p) {
  int device = 0, most = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  const size_t taken = bytes_of_rows(type, p) + kOwnShared;
  if (taken >= static_cast<size_t>(most)) return 0;
  const int fitting = static_cast<int>((static_cast<size_t>(most) - taken) / bytes_of_stages(1));
  return fitting < kFewestStages ? 0 : std::min(fitting, kMostStages);
}

template <class T, int V, int Heads, int M>
void launch(Element type, const DecodeLayers& p, Stream stream) {
  const int stages = stages_of(type, p);
  const size_t shared = bytes_of_stages(stages) + bytes_of_rows(type, p);
  allow_shared(decode_all<T, V, Heads, M>, shared);
  cudaMemsetAsync(p.counters, 0, sizeof(uint32_t) * static_cast<size_t>(decode_layers_counters(p)),
                  static_cast<cudaStream_t>(stream));
  launch_together("decode_layers", decode_all<T, V, Heads, M>, multiprocessors(), kThreads, shared, stream, p,
                  stages);
}

template <class T, int V, int Heads>
void launch_rows(Element type, const DecodeLayers& p, Stream stream) {
  if (p.batch == 1) return launch<T, V, Heads, 1>(type, p, stream);
  if (p.batch == 2) return launch<T, V, Heads, 2>(type, p, stream);
  launch<T, V, Heads, 4>(type, p, stream);
}

template <class T, int V>
void launch_heads(Element type, const DecodeLayers& p, Stream stream) {
  if (heads_of_block(p) == 1) return launch_rows<T, V, 1>(type, p, stream);
  launch_rows<T, V, kMostHeads>(type, p, stream);
}

bool runs_together() {
  int device = 0, together = 0, major = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&together, cudaDevAttrCooperativeLaunch, device);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  return together && major >= 9;
}

}  // namespace

bool takes_decode_layers(Element type, const DecodeLayers& p) {
  return p.batch <= kMostDecodeRows && takes_decode_turn(type, p.head_dim) && runs_together() &&
         stages_of(type, p) > 0;
}

int64_t decode_layers_partial(const DecodeLayers& p) {
  return p.batch * most_of(p, [](const DecodeLayer& l) { return l.heads; }) * kMostSplits * (p.head_dim + 2);
}

int64_t decode_layers_counters(const DecodeLayers& p) {
  return 1 + p.batch * most_of(p, [](const DecodeLayer& l) { return l.heads; });
}

void decode_layers(Element type, const DecodeLayers& p, Stream stream) {
  for_element(type, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, double>) {
      if (vectors_of<T>(p.head_dim) <= kWarp) return launch_heads<T, 1>(type, p, stream);
      if constexpr (std::is_same_v<T, float>) launch_heads<T, 2>(type, p, stream);
    }
  });
}

}  // namespace tongueforge::kernels::cuda
