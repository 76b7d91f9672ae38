#include "kernels/decode_attention.h"

#include "kernels/aten.h"
#include "kernels/cuda/glue.h"
#include "kernels/decode_attention_cuda.h"
#include "kernels/rotary.h"

namespace tongueforge::kernels {
namespace {

/// What decode_attention() is given.
struct Inputs {
  at::Tensor q, k, v, cos, sin, cache_k, cache_v, place;
  int64_t window;

  /// With q and k turned.
  Inputs turned() const {
    Inputs there = *this;
    std::tie(there.q, there.k) = apply_rotary(q, k, cos.index_select(2, place), sin.index_select(2, place));
    return there;
  }
};

// q and k are turned.
at::Tensor plain(const Inputs& in) {
  at::Tensor(in.cache_k).index_copy_(2, in.place, in.k);
  at::Tensor(in.cache_v).index_copy_(2, in.place, in.v);
  const auto key = at::arange(in.cache_k.size(2), in.place.options());
  auto visible = key.le(in.place);
  if (in.window > 0) visible = visible.logical_and(key.gt(in.place - in.window));
  const auto y = at::scaled_dot_product_attention(in.q, in.cache_k, in.cache_v, visible.unsqueeze(0),
                                                  /*dropout_p=*/0.0, /*is_causal=*/false,
                                                  /*scale=*/std::nullopt,
                                                  /*enable_gqa=*/in.q.size(1) != in.k.size(1));
  return y.transpose(1, 2).flatten(2);
}

// The tensor itself, or a copy whose rows begin where 16 bytes can be read.
at::Tensor with_aligned_rows(const at::Tensor& x) {
  const auto bytes = static_cast<int64_t>(x.element_size());
  const bool aligned = x.stride(3) == 1 && reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 == 0 &&
                       x.stride(0) * bytes % 16 == 0 && x.stride(1) * bytes % 16 == 0;
  return aligned ? x : x.clone(at::MemoryFormat::Contiguous);
}

cuda::DecodeRows rows_of(const at::Tensor& x) { return {x.const_data_ptr(), x.stride(0), x.stride(1)}; }

at::Tensor on_cuda(const Inputs& in, bool turns) {
  const auto q = with_aligned_rows(in.q), k = with_aligned_rows(in.k), v = with_aligned_rows(in.v);
  const int64_t batch = q.size(0), heads = q.size(1), kv_heads = k.size(1), head_dim = q.size(3);
  const int64_t capacity = in.cache_k.size(2), splits = cuda::decode_splits(batch, heads, kv_heads, capacity);
  const auto out = at::empty({batch, 1, heads * head_dim}, q.options());
  at::Tensor partial;
  if (splits > 1) partial = at::empty({batch, heads, splits, head_dim + 2}, q.options().dtype(at::kFloat));
  const cuda::DecodeAttention arguments = {
      .q = rows_of(q),
      .k = rows_of(k),
      .v = rows_of(v),
      .cos = turns ? in.cos.const_data_ptr() : nullptr,
      .sin = turns ? in.sin.const_data_ptr() : nullptr,
      .cache_k = in.cache_k.mutable_data_ptr(),
      .cache_v = in.cache_v.mutable_data_ptr(),
      .out = out.mutable_data_ptr(),
      .place = in.place.const_data_ptr<int64_t>(),
      .partial = splits > 1 ? partial.mutable_data_ptr<float>() : nullptr,
      .batch = batch,
      .heads = heads,
      .kv_heads = kv_heads,
      .capacity = capacity,
      .head_dim = head_dim,
      .window = in.window,
      .splits = splits};
  cuda::decode_attention(cuda::element_of(q), arguments, cuda::stream_of(q));
  return out;
}

}  // namespace

at::Tensor decode_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& cache_k,
                            const at::Tensor& cache_v, const at::Tensor& place, int64_t window) {
  TORCH_CHECK(q.size(2) == 1 && q.size(1) % k.size(1) == 0, "expected one query, and heads in equal groups");
  TORCH_CHECK(cache_k.is_contiguous() && cache_v.is_contiguous(), "expected a dense cache");
  const Inputs in = {q, k, v, cos, sin, cache_k, cache_v, place, window};
  if constexpr (cuda::kBuilt)
    if (cuda::has_twin(q, k, v, cos, sin, cache_k, cache_v) &&
        cuda::takes_decode_rows(cuda::element_of(q), q.size(3))) {
      const bool turns = cuda::takes_decode_turn(cuda::element_of(q), q.size(3)) && cos.is_contiguous() &&
                         sin.is_contiguous();
      return on_cuda(turns ? in : in.turned(), turns);
    }
  return plain(in.turned());
}

}  // namespace tongueforge::kernels
