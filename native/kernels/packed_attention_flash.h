// Packed attention through libtorch's FlashAttention for rows of unequal length (Dao 2023, arXiv 2307.08691):
// all documents in one kernel, memory linear in T.
#pragma once
#include <optional>

#include "kernels/packed_attention.h"

namespace tongueforge::kernels {

/// Whether it takes them: on CUDA, bfloat16 or float16, H a multiple of 8 up to 256.
bool has_flash_attention(at::Device device, at::ScalarType dtype, int64_t head_dim);

/// As packed_attention(), with the plan's offsets on the device. Within a recorded graph too, with a fixed
/// plan. Padding is computed as documents, and then made zero.
at::Tensor flash_packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const PackedAttentionOptions& options);

namespace detail {

/// One call of the kernel: rows of all documents one under the other. Letters: M rows, D documents.
struct FlashCall {
  at::Tensor q, k, v;   // (M,N,H), (M,K,H) twice, H dense
  at::Tensor offsets;   // (D+1) int32: document i is the rows offsets[i] .. offsets[i+1]-1
  int64_t longest = 2;  // no document has more rows; at least 2, since for 1 the kernel wants no empty ones
  bool causal = true;
  std::optional<int64_t> left = {};  // rows that a query sees before its own; else all
};

/// What forward leaves to backward.
struct FlashResult {
  at::Tensor y;         // (M,N,H)
  at::Tensor log_sums;  // as the kernel keeps them
  at::Tensor random, unused;
};

struct FlashGradients {
  at::Tensor q, k, v;
};

/// The kernel behind it; a test puts another one there, which runs on the CPU.
struct FlashKernel {
  FlashResult (*forward)(const FlashCall&);
  FlashGradients (*backward)(const FlashCall&, const FlashResult&, const at::Tensor& dy);  // (M,N,H)
};

at::Tensor flash_packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const PackedAttentionOptions& options, const FlashKernel& kernel);

}  // namespace detail
}  // namespace tongueforge::kernels
