// Attention of one new token a sequence to its cache on the CPU, where all positions are seen: what
// generation needs for each token. Vectorised in every dtype that it takes, where ATen calls a matrix library
// once a head. Letters: B batch, N heads, K kv heads, S positions, H head dim.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// Whether the loops take them: one query a head, on the CPU, all float32 or all bfloat16, no gradient
/// recorded, heads dense.
bool takes_query_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

/// q (B,N,1,H), k and v (B,K,S,H) as views of a cache, N a multiple of K -> (B,1,N*H); sums in float32,
/// rounded once. A head gives the same bits whatever is beside it, and for every number of threads. Not
/// differentiable.
at::Tensor query_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace tongueforge::kernels
