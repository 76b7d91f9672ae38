// Linear layers that read the same input.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "nn/linear.h"

namespace tongueforge::nn {

/// Whether a weight and its bias are all that the layer is.
bool is_plain(const Linear& layer);

/// What each gives for x, (..., out): of a few rows in one launch on a GPU, and in one meeting of the threads
/// on the CPU, where the layers are plain.
std::vector<at::Tensor> side_by_side(const at::Tensor& x, const std::vector<const Linear*>& layers);

/// silu(gate(x)) * up(x), likewise.
at::Tensor gated(const at::Tensor& x, const Linear& gate, const Linear& up);

}  // namespace tongueforge::nn
