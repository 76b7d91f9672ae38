#include "kernels/cuda/early.cuh"
#include "kernels/decode_attend.cuh"

namespace tongueforge::kernels::cuda {
namespace {

using namespace decode;

constexpr int kThreads = 256, kWarps = kThreads / kWarp;
constexpr int64_t kMostHeadDim = 256;
constexpr int kBusyBlocks = 264;       // two for each multiprocessor of a large GPU
constexpr int64_t kKeysOfSplit = 512;  // at least: to join splits takes as long as to read so many
constexpr int kMostSplits = 64;

/// A block: one split of the keys of one kv head of one sequence, for Heads of its query heads.
template <class T, int V, int Heads>
__global__ void __launch_bounds__(kThreads) attend(const DecodeAttention a) {
  extern __shared__ float shared[];
  let_next_start();
  wait_for_earlier();
  const int kv_heads = static_cast<int>(a.kv_heads), y = static_cast<int>(blockIdx.y);
  Attend<T, V, Heads>(a, Work(a, Heads, static_cast<int>(blockIdx.z), y % kv_heads, y / kv_heads,
                              static_cast<int>(blockIdx.x)))
      .run(shared);
}

/// A block: the splits of one head of one sequence.
template <class T>
__global__ void join(const DecodeAttention a) {
  let_next_start();
  wait_for_earlier();
  const int64_t head = blockIdx.x;
  const int head_dim = static_cast<int>(a.head_dim), row = head_dim + 2, splits = static_cast<int>(a.splits);
  for (int d = static_cast<int>(threadIdx.x); d < head_dim; d += kThreads) {
    const Joined all(a.partial + head * splits * row, splits, row, head_dim, d);
    static_cast<T*>(a.out)[head * a.head_dim + d] = from_wide<T>(all.y / all.sum);
  }
}

template <class T, int V, int Heads>
void launch(const DecodeAttention& a, Stream stream) {
  const int64_t head_groups = cut(a.heads / a.kv_heads, Heads);
  const size_t bytes = sizeof(float) * kWarps * Heads * (a.head_dim + 2);
  const dim3 blocks(static_cast<unsigned>(a.splits), static_cast<unsigned>(head_groups * a.kv_heads),
                    static_cast<unsigned>(a.batch));
  allow_shared(attend<T, V, Heads>, bytes);
  launch_early("decode_attention", attend<T, V, Heads>, blocks, kThreads, bytes, stream, a);
  if (a.splits == 1) return;
  const dim3 heads(static_cast<unsigned>(a.batch * a.heads));
  launch_early("decode_attention join", join<T>, heads, kThreads, 0, stream, a);
}

template <class T, int V>
void launch_heads(const DecodeAttention& a, Stream stream) {
  const int64_t groups = a.heads / a.kv_heads;
  if (groups == 1) return launch<T, V, 1>(a, stream);
  if (groups <= 4) return launch<T, V, 4>(a, stream);
  launch<T, V, 8>(a, stream);
}

}  // namespace

bool takes_decode_rows(Element type, int64_t head_dim) {
  if (type == Element::f64) return false;
  const int64_t per_access = type == Element::f32 ? 4 : 8;
  return head_dim % per_access == 0 && head_dim <= kMostHeadDim;
}

bool takes_decode_turn(Element type, int64_t head_dim) {
  return takes_decode_rows(type, head_dim) && head_dim % (type == Element::f32 ? 8 : 16) == 0;
}

int64_t decode_splits(int64_t batch, int64_t heads, int64_t kv_heads, int64_t capacity) {
  const int64_t blocks = batch * kv_heads * cut(heads / kv_heads, 8);
  const int64_t useful = cut(capacity, kKeysOfSplit);
  const int64_t splits = cut(kBusyBlocks, blocks > 0 ? blocks : 1);
  return splits > useful ? useful : (splits > kMostSplits ? kMostSplits : splits);
}

void decode_attention(Element type, const DecodeAttention& a, Stream stream) {
  if (a.batch == 0) return;
  for_element(type, [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, double>) {
      if (vectors_of<T>(a.head_dim) <= kWarp) return launch_heads<T, 1>(a, stream);
      if constexpr (std::is_same_v<T, float>) launch_heads<T, 2>(a, stream);
    }
  });
}

}  // namespace tongueforge::kernels::cuda
