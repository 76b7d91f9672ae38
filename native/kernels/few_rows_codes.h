// Linear layers on a few rows on the CPU whose weights are whole numbers of 8 or 4 bits: a half or a quarter
// of the bytes of bfloat16 to read for each token. The numbers are multiplied where they are stored, in the
// layout of a checkpoint (nn/codes.h), without a copy of another. Letters: M rows of x, I inputs, O outputs,
// G groups of each output, W words of 32 bits.
#pragma once
#include <ATen/core/Tensor.h>

#include "core/instructions.h"

namespace tongueforge::kernels {

/// A weight (code - zero) * scale.
struct CodedWeight {
  int64_t bits = 8, inputs = 0;
  at::Tensor codes;           // 8 bits: int8 (O,I); 4 bits: int32 (O,W), each code plus 8, the first lowest
  at::Tensor scales_OG;       // float32; G divides I; of 8 bits G is 1
  at::Tensor maybe_zeros_OG;  // int8, of 4 bits; undefined: 0
};

/// Whether the loops take it: on the CPU and dense; of 8 bits one scale an output and no zeros, of 4 bits
/// groups of a multiple of 8 inputs.
bool takes_coded(const CodedWeight& weight);

/// x (..., I) float32 or bfloat16, any number of rows, bias (O) of its dtype or undefined -> (..., O); sums
/// in float32, rounded once. A row's result is the same to the bit whatever rows come with it, and for every
/// number of threads. Not differentiable.
at::Tensor coded_linear(const at::Tensor& x, const CodedWeight& weight, const at::Tensor& maybe_bias,
                        Instructions level = instructions());

}  // namespace tongueforge::kernels
