// Packed attention of the CPU over raw memory: tiles of queries, one document and one key head at a time.
#pragma once
#include "kernels/packed_attention.h"

namespace tongueforge::kernels {

/// The three inputs and where the result goes. Last dimensions are dense.
struct AttentionTensors {
  at::Tensor q, k, v;   // (B,N,T,H), (B,K,T,H)
  at::Tensor y;         // (B,N,T,H), a view of (B,T,N*H)
  at::Tensor log_sums;  // (B,N,T), float32 or wider
};

struct AttentionGradients {
  at::Tensor dy;          // as y
  at::Tensor dq, dk, dv;  // as q, k, v
};

/// Fills y and log_sums at the places of documents; leaves the others.
void fused_attention_forward(const AttentionTensors& tensors, const PackedAttentionOptions& options);

/// Fills dq, dk and dv at the places of documents, from dy and what forward has filled.
void fused_attention_backward(const AttentionTensors& tensors, const AttentionGradients& grads,
                              const PackedAttentionOptions& options);

}  // namespace tongueforge::kernels
