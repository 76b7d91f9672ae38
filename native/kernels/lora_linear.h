// A frozen linear layer with a low-rank addition (LoRA, Hu et al. 2021, arXiv 2106.09685) as one node of the
// graph: y = x W^T (+ bias) + scale * drop(x) A^T B^T. Letters: M rows, I inputs, O outputs, R rank.
#pragma once
#include <ATen/core/Tensor.h>

#include "kernels/dropout.h"

namespace tongueforge::kernels {

struct LowRank {
  at::Tensor a_RI, b_OR;  // float32, as in PEFT, whatever the type of the weight
  double scale = 1;
};

/// x (..., I), weight (O,I), bias (O) or undefined -> (..., O) in the type of x; differentiable in everything
/// that requires a gradient. Keeps x and the R columns between A and B: no gradient of a frozen weight is
/// computed, and none of x where nothing below it is trained.
at::Tensor lora_linear(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O,
                       const LowRank& added, const DropoutKey& dropout);

/// The same of plain operators: what the node is checked against.
at::Tensor lora_linear_reference(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O,
                                 const LowRank& added, const DropoutKey& dropout);

}  // namespace tongueforge::kernels
