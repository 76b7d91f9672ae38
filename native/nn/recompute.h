// Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): of a part of a model only the inputs are
// kept, and backward computes the rest again. The same kernels in the same order: the same gradients to the
// bit.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace tongueforge::nn {

/// Inputs -> outputs; asked a second time by backward, it must compute what it did the first time.
using Recomputable = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

/// part(inputs), differentiable in the inputs and in `parameters`, which are the tensors beside the inputs
/// that may be trained. What the part refers to must live until backward. Where nothing is recorded, or there
/// is nothing to differentiate in, this is the part itself.
std::vector<at::Tensor> recomputed(const Recomputable& part, const std::vector<at::Tensor>& inputs,
                                   const std::vector<at::Tensor>& parameters);

}  // namespace tongueforge::nn
