#include "nn/attention.h"

#include <algorithm>

#include "kernels/aten.h"
#include "kernels/decode_attention.h"
#include "kernels/query_attention.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"
#include "nn/side_by_side.h"

namespace tongueforge::nn {
namespace {

// (B,T,N*H) -> (B,T,N,H), normed per head where the model does so, -> (B,N,T,H)
at::Tensor split_heads(const at::Tensor& x, int64_t num_heads, int64_t head_dim, const at::Tensor& norm,
                       double eps) {
  auto heads_BTNH = x.unflatten(-1, {num_heads, head_dim});
  if (norm.defined()) heads_BTNH = kernels::rms_norm(heads_BTNH, norm, eps);
  return heads_BTNH.transpose(1, 2);
}

// The cache itself, or a copy of twice the room: a million tokens may be asked for and ten come.
at::Tensor with_room(const at::Tensor& cache_BKSH, int64_t filled, int64_t needed) {
  const int64_t room = cache_BKSH.size(2);
  if (needed <= room) return cache_BKSH;
  auto shape = cache_BKSH.sizes().vec();
  shape[2] = std::max(needed, 2 * room);
  auto larger = at::empty(shape, cache_BKSH.options());
  larger.narrow(2, 0, filled).copy_(cache_BKSH.narrow(2, 0, filled));
  return larger;
}

}  // namespace

std::pair<at::Tensor, at::Tensor> KvCache::append(int64_t past, const at::Tensor& k_BKTH,
                                                  const at::Tensor& v_BKTH) {
  const int64_t time = k_BKTH.size(2);
  for (auto* cache : {&k_BKSH, &v_BKSH}) *cache = with_room(*cache, past, past + time);
  k_BKSH.narrow(2, past, time).copy_(k_BKTH);
  v_BKSH.narrow(2, past, time).copy_(v_BKTH);
  return {k_BKSH.narrow(2, 0, past + time), v_BKSH.narrow(2, 0, past + time)};
}

Visibility causal_visibility(int64_t past, int64_t time, int64_t window) {
  const int64_t total = past + time;
  const bool windowed = window > 0 && total > window;
  if (!windowed && (past == 0 || time == 1)) return {};  // plain causal, or one query that sees all
  const auto query = at::arange(past, total).unsqueeze(1), key = at::arange(total).unsqueeze(0);
  auto mask = key.le(query);
  if (windowed) mask = mask.logical_and(key.gt(query - window));
  return {mask, {}};
}

Visibility packed_visibility(kernels::PackedAttentionOptions options) { return {{}, std::move(options)}; }

Visibility next_token_visibility(NextToken next) { return {{}, {}, std::move(next)}; }

Visibility paged_visibility(Paged paged) { return {{}, {}, {}, std::move(paged)}; }

Visibility masked_packed_visibility(const at::Tensor& segments_BT, int64_t window, bool causal) {
  const auto same = segments_BT.unsqueeze(2).eq(segments_BT.unsqueeze(1));  // (B,T,T)
  if (!causal) return {same.unsqueeze(1), {}};
  const auto windowed = causal_visibility(0, segments_BT.size(1), window).mask;
  const auto index = at::arange(segments_BT.size(1));
  const auto order = windowed.defined() ? windowed : index.unsqueeze(0).le(index.unsqueeze(1));
  return {same.logical_and(order).unsqueeze(1), {}};
}

at::Tensor Attention::operator()(const at::Tensor& x_BTD, const Rotation& rotation,
                                 const Visibility& visibility, KvCache* cache, int64_t past) const {
  auto qkv = side_by_side(x_BTD, {&q, &k, &v});
  auto q_BNTH = split_heads(qkv[0], num_heads, head_dim, q_norm, eps);
  auto k_BKTH = split_heads(qkv[1], num_kv_heads, head_dim, k_norm, eps);
  auto v_BKTH = split_heads(qkv[2], num_kv_heads, head_dim, {}, eps);
  qkv.clear();  // turned, q and k are new tensors: the old ones need not wait for the end
  if (const auto& next = visibility.next)  // the rotation of all places: it turns by the one that it reads
    return o(kernels::decode_attention(q_BNTH, k_BKTH, v_BKTH, rotation.cos, rotation.sin, cache->k_BKSH,
                                       cache->v_BKSH, next->place, next->window));
  std::tie(q_BNTH, k_BKTH) = kernels::apply_rotary(q_BNTH, k_BKTH, rotation.cos, rotation.sin);

  if (const auto& paged = visibility.paged)
    return o(kernels::paged_attention(q_BNTH, k_BKTH, v_BKTH, cache->k_BKSH, cache->v_BKSH, *paged->rows,
                                      paged->window));
  if (visibility.packed) return o(kernels::packed_attention(q_BNTH, k_BKTH, v_BKTH, *visibility.packed));

  auto [k_BKSH, v_BKSH] = cache ? cache->append(past, k_BKTH, v_BKTH) : std::pair(k_BKTH, v_BKTH);
  // A boolean mask with rows of no visible key would give NaN; causality always shows a query itself.
  const bool is_causal = !visibility.mask.defined();
  if (is_causal && kernels::takes_query_attention(q_BNTH, k_BKSH, v_BKSH))
    return o(kernels::query_attention(q_BNTH, k_BKSH, v_BKSH));
  const auto y_BNTH = at::scaled_dot_product_attention(
      q_BNTH, k_BKSH, v_BKSH, is_causal ? std::optional<at::Tensor>() : visibility.mask, /*dropout_p=*/0.0,
      is_causal && q_BNTH.size(2) > 1, /*scale=*/std::nullopt, /*enable_gqa=*/num_heads != num_kv_heads);
  return o(y_BNTH.transpose(1, 2).flatten(2));
}

}  // namespace tongueforge::nn
