// Self-attention of packed rows, causal or not, each document for itself: no mask, no score of one document
// with another, memory linear in T. Exact softmax over tiles of queries, in the manner of FlashAttention (Dao
// et al. 2022, arXiv 2205.14135): backward computes the scores of a tile again from the log-sums that forward
// kept. All query heads that share a key head go through one product, so keys and values are never repeated.
// Letters: B batch, T time, N heads, K kv heads, H head dim.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>

#include "core/job.h"
#include "kernels/packed_plan.h"

namespace tongueforge::kernels {

struct PackedAttentionOptions {
  std::shared_ptr<const PackedPlan> plan;
  int64_t window = 0;        // a query sees this many places, its own the last of them; 0: all before it
  const Job* job = nullptr;  // asked before each tile, in forward and backward, whether it was cancelled
  bool causal = true;        // or a query sees its whole document; then there is no window
};

/// q (B,N,T,H), k and v (B,K,T,H) in any layout whose last dimension is dense, N a multiple of K ->
/// (B,T,N*H); zero at places of no document. Differentiable once in q, k, v. On the CPU float32, bfloat16 or
/// float64, with sums in float32 or wider: documents run in parallel, and within a document its kv heads;
/// where there are fewer of both than threads, the products are parallel within. On CUDA the kernels of
/// packed_attention_cudnn.h and packed_attention_flash.h for 16-bit types; for all else
/// packed_attention_dense.h.
at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const PackedAttentionOptions& options);

}  // namespace tongueforge::kernels
