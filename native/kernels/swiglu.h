// The gate of a Llama-style feed-forward block: silu(gate) * up (Shazeer 2020, arXiv 2002.05202), fused;
// backward computes silu again from gate, so that only gate and up are kept.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// gate, up (..., F) -> (..., F). Rows may lie apart, as the halves of one buffer do. Differentiable.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

/// gate_up (..., 2F), gate in the first half of each row -> (..., F). Differentiable; its gradient is one
/// buffer too.
at::Tensor swiglu(const at::Tensor& gate_up);

}  // namespace tongueforge::kernels
