// Packed attention by plain operators of libtorch, document by document: for the devices and dtypes that have
// no code of their own.
#pragma once
#include "kernels/packed_attention.h"

namespace tongueforge::kernels {

/// As packed_attention(), on any device in any dtype. Memory: the scores of one document for every head,
/// N*L*L, and those of all documents where gradients are recorded; less where libtorch has a fused kernel
/// for the dtype.
at::Tensor dense_packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const PackedAttentionOptions& options);

}  // namespace tongueforge::kernels
