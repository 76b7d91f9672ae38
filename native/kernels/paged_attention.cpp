#include "kernels/paged_attention.h"

#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/simd.h"

namespace tongueforge::kernels {
namespace {

using namespace simd;

constexpr int64_t S = kPageSize;

template <class T>
struct Inputs {
  const T *q, *k, *v;  // (M,N,H), (M,K,H) twice
  T *pool_k, *pool_v;  // (P,K,H,S), (P,K,S,H)
  T* y;                // (M,N,H)
  int64_t heads, kv_heads, head_dim, window;
  const PagedRows& paged;

  /// Values of a page from its first to its next kv head.
  int64_t page_values() const { return head_dim * S; }
  int64_t page_of(const PagedRows::Row& row, int64_t place) const {
    return paged.pages[static_cast<size_t>(row.first_page + place / S)];
  }
};

template <class T>
void write(const Inputs<T>& in, size_t m) {
  const auto& row = in.paged.rows[m];
  const int64_t slot = row.place % S, page = in.page_of(row, row.place), h = in.head_dim;
  for (int64_t kv = 0; kv < in.kv_heads; kv++) {
    const int64_t from = (static_cast<int64_t>(m) * in.kv_heads + kv) * h;
    T* const keys = in.pool_k + (page * in.kv_heads + kv) * in.page_values();
    T* const values = in.pool_v + (page * in.kv_heads + kv) * in.page_values();
    for (int64_t i = 0; i < h; i++) keys[i * S + slot] = in.k[from + i];
    std::copy_n(in.v + from, h, values + slot * h);
  }
}

/// What one head of one row sees: places begin .. end-1, and the scores of whole pages around them.
struct Seen {
  int64_t begin, end;

  int64_t first() const { return begin / S * S; }
  int64_t count() const { return (end - first() + S - 1) / S * S; }
};

// scores = q K^T of a page, its places as lanes.
template <int Bytes, class T>
TONGUEFORGE_INLINE void page_scores(const float* __restrict q, const T* __restrict keys_HS, int64_t h,
                                    float* __restrict scores) {
  using L = Lanes<T, Bytes>;
  constexpr int64_t kVectors = S / L::kCount;
  typename L::Value sums[kVectors] = {};
  for (int64_t i = 0; i < h; i++) {
    const float value = q[i];
#pragma GCC unroll 8
    for (int64_t n = 0; n < kVectors; n++)
      sums[n] += value * L::load(keys_HS + i * S + n * L::kCount, Whole{});
  }
  for (int64_t n = 0; n < kVectors; n++) Lanes<float, Bytes>::store(scores + n * L::kCount, sums[n], Whole{});
}

// scores -> e^(score - largest) of what is seen, 0 elsewhere; gives their sum.
template <int Bytes>
TONGUEFORGE_INLINE float exponents(const Seen& seen, float* __restrict scores) {
  using L = Lanes<float, Bytes>;
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  const int64_t count = seen.count();
  std::fill(scores, scores + (seen.begin - seen.first()), kNothing);
  std::fill(scores + (seen.end - seen.first()), scores + count, kNothing);
  auto most = L::load(scores, Whole{});
  for (int64_t i = L::kCount; i < count; i += L::kCount) {
    const auto x = L::load(scores + i, Whole{});
    most = x > most ? x : most;
  }
  const float largest = simd::largest(most);
  typename L::Value total = {};
  for (int64_t i = 0; i < count; i += L::kCount) {
    const auto e = simd::exp(L::load(scores + i, Whole{}) - largest);
    L::store(scores + i, e, Whole{});
    total += e;
  }
  return simd::sum(total);
}

// Vectors registers of the mean of values from dimension i on, weighted; `part` lanes of the last one.
template <int Bytes, int Vectors, class T, class Count>
TONGUEFORGE_INLINE void mean_of(const Inputs<T>& in, const PagedRows::Row& row, int64_t kv, const Seen& seen,
                                const float* __restrict weights, float scale, int64_t i, Count part, T* y) {
  using L = Lanes<T, Bytes>;
  typename L::Value sums[Vectors] = {};
  for (int64_t place = seen.begin; place < seen.end;) {
    const T* const values = in.pool_v + (in.page_of(row, place) * in.kv_heads + kv) * in.page_values() + i;
    const int64_t page_end = std::min(seen.end, place / S * S + S);
    for (; place < page_end; place++) {
      const float weight = weights[place - seen.first()];
      const T* const value = values + place % S * in.head_dim;
#pragma GCC unroll 4
      for (int n = 0; n < Vectors; n++) sums[n] += weight * L::load(value + n * L::kCount, part);
    }
  }
#pragma GCC unroll 4
  for (int n = 0; n < Vectors; n++) L::store(y + i + n * L::kCount, sums[n] * scale, part);
}

template <int Bytes, class T>
TONGUEFORGE_INLINE void attend(const Inputs<T>& in, size_t m, int64_t head, float* __restrict q,
                               float* scores) {
  using L = Lanes<T, Bytes>;
  const auto& row = in.paged.rows[m];
  const int64_t h = in.head_dim, kv = head / (in.heads / in.kv_heads);
  const int64_t at = (static_cast<int64_t>(m) * in.heads + head) * h;
  const Seen seen = {in.window > 0 ? std::max<int64_t>(0, row.place + 1 - in.window) : 0, row.place + 1};
  const float scale = 1 / std::sqrt(static_cast<float>(h));
  for (int64_t i = 0; i < h; i++) q[i] = static_cast<float>(in.q[at + i]) * scale;
  for (int64_t place = seen.first(); place < seen.end; place += S)
    page_scores<Bytes>(q, in.pool_k + (in.page_of(row, place) * in.kv_heads + kv) * in.page_values(), h,
                       scores + (place - seen.first()));
  const float share = 1 / exponents<Bytes>(seen, scores);
  constexpr int64_t kStep = 4 * L::kCount;
  int64_t i = 0;
  for (; i + kStep <= h; i += kStep)
    mean_of<Bytes, 4>(in, row, kv, seen, scores, share, i, Whole{}, in.y + at);
  for (; i + L::kCount <= h; i += L::kCount)
    mean_of<Bytes, 1>(in, row, kv, seen, scores, share, i, Whole{}, in.y + at);
  if (i < h) mean_of<Bytes, 1>(in, row, kv, seen, scores, share, i, Part{h - i}, in.y + at);
}

template <class T>
void run(const Inputs<T>& in, int64_t rows) {
  int64_t longest = 0, places = 0;
  for (const auto& row : in.paged.rows) longest = std::max(longest, row.place + 1), places += row.place + 1;
  at::parallel_for(0, rows, rows, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; m++) write(in, static_cast<size_t>(m));
  });
  const int64_t room = (longest + S - 1) / S * S + S;
  const int64_t grain =
      std::max<int64_t>(1, kElementsPerThread * rows / std::max<int64_t>(1, places * in.head_dim));
  at::parallel_for(0, rows * in.heads, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(in.head_dim + room));
    vectorised([&](auto width) TONGUEFORGE_INLINED {
      for (int64_t i = begin; i < end; i++)
        attend<width()>(in, static_cast<size_t>(i / in.heads), i % in.heads, scratch.data(),
                        scratch.data() + in.head_dim);
    });
  });
}

}  // namespace

at::Tensor paged_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const at::Tensor& pool_k, const at::Tensor& pool_v, const PagedRows& rows,
                           int64_t window) {
  const int64_t m = q.size(0), heads = q.size(1), kv_heads = k.size(1), h = q.size(3);
  TORCH_CHECK(q.size(2) == 1 && heads % kv_heads == 0, "expected one query, and heads in equal groups");
  TORCH_CHECK(pool_k.is_contiguous() && pool_v.is_contiguous() && pool_k.size(3) == S,
              "expected dense pages");
  TORCH_CHECK(q.is_cpu() && (q.scalar_type() == at::kFloat || q.scalar_type() == at::kBFloat16),
              "expected float32 or bfloat16 on the CPU");
  TORCH_CHECK(static_cast<int64_t>(rows.rows.size()) == m, "expected a place for each row");
  const auto q_MNH = q.contiguous(), k_MKH = k.contiguous(), v_MKH = v.contiguous();
  const auto y = at::empty({m, 1, heads * h}, q.options());
  for_dtype(q.scalar_type(), [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, double>)
      run<T>({q_MNH.const_data_ptr<T>(), k_MKH.const_data_ptr<T>(), v_MKH.const_data_ptr<T>(),
              pool_k.mutable_data_ptr<T>(), pool_v.mutable_data_ptr<T>(), y.mutable_data_ptr<T>(), heads,
              kv_heads, h, window, rows},
             m);
  });
  return y;
}

}  // namespace tongueforge::kernels
