// The gate of a Llama-style feed-forward block: silu(gate) * up (Shazeer 2020, arXiv 2002.05202).
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// gate, up (..., F) -> (..., F); differentiable.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

}  // namespace tongueforge::kernels
