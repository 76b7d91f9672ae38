// Linear layers that read the same input.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "nn/linear.h"

namespace tongueforge::nn {

/// What each gives for x, (..., out): of a few rows in one launch on a GPU, and in one meeting of the threads
/// on the CPU, where weight and bias are all that the layers are.
std::vector<at::Tensor> side_by_side(const at::Tensor& x, const std::vector<const Linear*>& layers);

/// silu(gate(x)) * up(x), likewise.
at::Tensor gated(const at::Tensor& x, const Linear& gate, const Linear& up);

}  // namespace tongueforge::nn
