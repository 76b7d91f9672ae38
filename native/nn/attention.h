// Grouped-query self-attention with rotary positions, optional q/k norm, sliding window and key/value cache.
// Letters: B batch, T query time, S key time, D model, N heads, K kv heads, H head dim.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "kernels/packed_attention.h"
#include "kernels/paged_attention.h"
#include "nn/linear.h"
#include "nn/rope.h"

namespace tongueforge::nn {

/// Keys and values of one layer so far; the room for them doubles when it is full.
struct KvCache {
  at::Tensor k_BKSH, v_BKSH;

  /// Writes the new keys and values at `past` and gives views of all up to their end.
  std::pair<at::Tensor, at::Tensor> append(int64_t past, const at::Tensor& k_BKTH, const at::Tensor& v_BKTH);
};

/// One new token a sequence over a cache whose size stays: its place, (1) int64, is known to the device
/// alone.
struct NextToken {
  at::Tensor place;
  int64_t window = 0;
};

/// Rows of single tokens over a pool of pages (kernels/paged_attention.h), which takes the place of the
/// cache: keys (P,K,H,S), values (P,K,S,H).
struct Paged {
  std::shared_ptr<const kernels::PagedRows> rows;
  int64_t window = 0;
};

/// Which keys a query sees. Neither mask, documents, a next token nor pages means: plain causal.
struct Visibility {
  at::Tensor mask;  // bool, (T,S) or (B,1,T,S), true = visible; undefined = causal over the same T positions
  std::optional<kernels::PackedAttentionOptions> packed;  // each document of a row for itself, without a mask
  std::optional<NextToken> next = {};
  std::optional<Paged> paged = {};
};

/// Queries at past .. past+T-1 over keys 0 .. past+T-1, at most `window` back (0 = no window).
Visibility causal_visibility(int64_t past, int64_t time, int64_t window);

/// Packed rows: a query sees its own document only. The job is asked within the layer, in backward too, and
/// must live until then.
Visibility packed_visibility(kernels::PackedAttentionOptions options);

/// The same for any device and dtype, as a mask of T x T: segments_BT numbers the documents of each row.
Visibility masked_packed_visibility(const at::Tensor& segments_BT, int64_t window, bool causal = true);

/// A step of generation (kernels/decode_attention.h): the cache has to hold numbers everywhere.
Visibility next_token_visibility(NextToken next);

/// Tokens of a server's sequences.
Visibility paged_visibility(Paged paged);

struct Attention {
  Linear q, k, v, o;
  at::Tensor q_norm, k_norm;  // (H), or undefined
  int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0;
  double eps = 1e-6;  // of the q/k norms

  /// x_BTD -> (B,T,D). With a cache, `past` positions come before x; a next token has its own place.
  at::Tensor operator()(const at::Tensor& x_BTD, const Rotation& rotation, const Visibility& visibility,
                        KvCache* cache, int64_t past) const;
};

}  // namespace tongueforge::nn
