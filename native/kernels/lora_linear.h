// A frozen linear layer with a low-rank addition (LoRA, Hu et al. 2021, arXiv 2106.09685) as one node of the
// graph: y = x W^T (+ bias) + scale * drop(x) A^T B^T. Letters: M rows, I inputs, O outputs, R rank.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tongueforge::kernels {

/// Which values are dropped is a pure function of key and place, so that a resumed run drops the same ones
/// and the backward pass stores no mask.
struct DropoutKey {
  double rate = 0;  // 0 = nothing is dropped
  uint64_t key = 0;
};

/// x (contiguous float32) with values dropped at `rate`, the others divided by 1 - rate; not differentiable.
at::Tensor drop(const at::Tensor& x, const DropoutKey& dropout);

/// The same of plain operators, to the bit, on any device.
at::Tensor drop_reference(const at::Tensor& x, const DropoutKey& dropout);

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
