// Packed attention through cuDNN, for rows that are one document each. On compute capability 9.0 it is faster
// than FlashAttention 2, which libtorch has for documents of any length.
#pragma once
#include "kernels/packed_attention.h"

namespace tongueforge::kernels {

/// Whether it takes them: bfloat16 or float16 on a GPU of compute capability 9.0, H a multiple of 8 up to
/// 128, every row one document of T places, no window, and T a multiple of 256 from 1024 on, since cuDNN
/// prepares each shape for a tenth of a second. Not where the same bytes are asked for each time, nor for a
/// fixed plan, nor where the environment has TONGUEFORGE_ATTENTION=flash.
bool takes_cudnn_attention(const at::Tensor& q, const PackedAttentionOptions& options);

/// As packed_attention().
at::Tensor cudnn_packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const PackedAttentionOptions& options);

namespace detail {

/// What forward leaves to backward.
struct RowsResult {
  at::Tensor y;         // (B,N,T,H), the memory (B,T,N,H)
  at::Tensor log_sums;  // as the kernel keeps them
  at::Tensor seed, offset;
};

struct RowsGradients {
  at::Tensor q, k, v;
};

/// The kernel behind it, (B,N,T,H) in the memory of (B,T,N,H); a test puts another one there, which runs on
/// the CPU.
struct RowsKernel {
  RowsResult (*forward)(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal);
  RowsGradients (*backward)(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal,
                            const RowsResult& result, const at::Tensor& dy);
};

bool are_whole(const PackedPlan& plan);  // each row one document
at::Tensor cudnn_packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const PackedAttentionOptions& options, const RowsKernel& kernel);

}  // namespace detail
}  // namespace tongueforge::kernels
