#include "kernels/query_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/aten.h"
#include "kernels/few_rows_loops.h"
#include "kernels/simd.h"

namespace tongueforge::kernels {
namespace {

using namespace simd;

/// Multiplications that one thread should have at least: some 5 us of work.
constexpr int64_t kMultiplications = int64_t{1} << 16;
/// Keys whose products are summed together: each register of the query is read once for all.
constexpr int64_t kKeys = 4;
/// A multiple of the lanes of every level.
constexpr int64_t kPadding = 16;

/// (B,K,S,H), heads dense.
template <class T>
struct Cache {
  const T* data;
  int64_t batch_stride, head_stride, stride;  // from one sequence, kv head, position to the next

  explicit Cache(const at::Tensor& x)
      : data(x.const_data_ptr<T>()),
        batch_stride(x.stride(0)),
        head_stride(x.stride(1)),
        stride(x.stride(2)) {}
  const T* of(int64_t b, int64_t kv) const { return data + b * batch_stride + kv * head_stride; }
};

template <class T>
struct Inputs {
  const T* q;  // (B,N,H)
  Cache<T> k, v;
  T* y;  // (B,N,H)
  int64_t heads, kv_heads, positions, head_dim;
};

/// scores = q K^T of C keys, each summed by itself.
template <int Bytes, int C, class T>
TONGUEFORGE_INLINE void scores_of(const float* q, const T* keys, int64_t stride, int64_t h, float* scores) {
  Vector<float, Bytes> sums[C] = {};
  for_lanes<float, Bytes>(h, [&](int64_t i, auto place) TONGUEFORGE_INLINED {
    const auto x = Lanes<float, Bytes>::load(q + i, place);
#pragma GCC unroll 4
    for (int c = 0; c < C; c++) sums[c] += x * Lanes<T, Bytes>::load(keys + c * stride + i, place);
  });
#pragma GCC unroll 4
  for (int c = 0; c < C; c++) scores[c] = few_rows::lane_sum(sums[c]);
}

/// scores -> e^(score - largest), with zeros up to a multiple of kPadding; gives their sum.
template <int Bytes>
TONGUEFORGE_INLINE float exponents(float* scores, int64_t count) {
  using L = Lanes<float, Bytes>;
  const int64_t padded = (count + kPadding - 1) / kPadding * kPadding;
  std::fill(scores + count, scores + padded, -std::numeric_limits<float>::infinity());
  auto most = L::load(scores, Whole{});
  for (int64_t i = L::kCount; i < padded; i += L::kCount) {
    const auto x = L::load(scores + i, Whole{});
    most = x > most ? x : most;
  }
  const float largest = simd::largest(most);
  typename L::Value total = {};
  for (int64_t i = 0; i < padded; i += L::kCount) {
    const auto e = simd::exp(L::load(scores + i, Whole{}) - largest);
    L::store(scores + i, e, Whole{});
    total += e;
  }
  return few_rows::lane_sum(total);
}

/// Vectors registers of the mean of values, weighted; `part` lanes of the last one.
template <int Bytes, int Vectors, class T, class Count>
TONGUEFORGE_INLINE void mean_of(const T* values, int64_t stride, const float* weights, int64_t count,
                                float scale, Count part, T* y) {
  using L = Lanes<T, Bytes>;
  typename L::Value sums[Vectors] = {};
  for (int64_t s = 0; s < count; s++) {
    const float weight = weights[s];
#pragma GCC unroll 4
    for (int n = 0; n < Vectors; n++) sums[n] += weight * L::load(values + s * stride + n * L::kCount, part);
  }
#pragma GCC unroll 4
  for (int n = 0; n < Vectors; n++) L::store(y + n * L::kCount, sums[n] * scale, part);
}

template <int Bytes, class T>
TONGUEFORGE_INLINE void attend(const Inputs<T>& in, int64_t row, float* q, float* scores) {
  using L = Lanes<T, Bytes>;
  const int64_t h = in.head_dim, b = row / in.heads, kv = row % in.heads / (in.heads / in.kv_heads);
  const float scale = 1 / std::sqrt(static_cast<float>(h));
  for (int64_t i = 0; i < h; i++) q[i] = static_cast<float>(in.q[row * h + i]) * scale;
  const T *const keys = in.k.of(b, kv), *const values = in.v.of(b, kv);
  int64_t s = 0;
  for (; s + kKeys <= in.positions; s += kKeys)
    scores_of<Bytes, kKeys>(q, keys + s * in.k.stride, in.k.stride, h, scores + s);
  for (; s < in.positions; s++) scores_of<Bytes, 1>(q, keys + s * in.k.stride, in.k.stride, h, scores + s);
  const float share = 1 / exponents<Bytes>(scores, in.positions);
  const auto mean = [&](auto vectors, int64_t i, auto part) TONGUEFORGE_INLINED {
    mean_of<Bytes, vectors()>(values + i, in.v.stride, scores, in.positions, share, part, in.y + row * h + i);
  };
  int64_t i = 0;
  for (; i + 4 * L::kCount <= h; i += 4 * L::kCount) mean(Width<4>{}, i, Whole{});
  for (; i + L::kCount <= h; i += L::kCount) mean(Width<1>{}, i, Whole{});
  if (i < h) mean(Width<1>{}, i, Part{h - i});
}

template <class T>
void run(const Inputs<T>& in, int64_t rows) {
  const int64_t room = (in.positions + kPadding - 1) / kPadding * kPadding;
  const int64_t grain = std::max<int64_t>(1, kMultiplications / (2 * in.positions * in.head_dim));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(in.head_dim + room));
    vectorised([&](auto width) TONGUEFORGE_INLINED {
      for (int64_t row = begin; row < end; row++)
        attend<width()>(in, row, scratch.data(), scratch.data() + in.head_dim);
    });
  });
}

template <class T>
void attend_into(const at::Tensor& y, const at::Tensor& q_BNH, const at::Tensor& k, const at::Tensor& v) {
  run<T>({q_BNH.const_data_ptr<T>(), Cache<T>(k), Cache<T>(v), y.mutable_data_ptr<T>(), q_BNH.size(1),
          k.size(1), k.size(2), k.size(3)},
         q_BNH.size(0) * q_BNH.size(1));
}

}  // namespace

bool takes_query_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto type = q.scalar_type();
  const auto fits = [&](const at::Tensor& x) {
    return x.is_cpu() && x.scalar_type() == type && x.stride(3) == 1 && x.numel() > 0;
  };
  return (type == at::kFloat || type == at::kBFloat16) && q.is_cpu() && q.size(2) == 1 && fits(k) &&
         fits(v) && !at::GradMode::is_enabled();
}

at::Tensor query_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  TORCH_CHECK(q.size(2) == 1 && q.size(1) % k.size(1) == 0, "expected one query, and heads in equal groups");
  const auto q_BNH = q.select(2, 0).contiguous();
  const auto y = at::empty({q.size(0), 1, q.size(1) * q.size(3)}, q.options());
  if (q.scalar_type() == at::kFloat)
    attend_into<float>(y, q_BNH, k, v);
  else
    attend_into<at::BFloat16>(y, q_BNH, k, v);
  return y;
}

}  // namespace tongueforge::kernels
