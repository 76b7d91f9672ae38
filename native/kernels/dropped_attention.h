// Self-attention of packed rows in which places look past some that they would see: dropout of attention, for
// encoders that learn. Letters: B batch, T time, N heads, H head dim.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>

#include "kernels/dropout.h"
#include "kernels/packed_plan.h"

namespace tongueforge::kernels {

/// q, k and v (B,N,T,H) of any floating dtype, on the device of the plan -> (B,T,N*H); every place sees its
/// whole document, but for the probabilities that are dropped, after the softmax. Zero at places of no
/// document. Differentiable once. Which are dropped follows from the key and the place of a document within
/// the rows. Probabilities of one document at a time are in memory, N T T of them, in backward again.
at::Tensor dropped_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const std::shared_ptr<const PackedPlan>& plan, const DropoutKey& dropout);

}  // namespace tongueforge::kernels
