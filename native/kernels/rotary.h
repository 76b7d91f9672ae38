// Rotary position embedding, half-split layout (Su et al. 2021, arXiv 2104.09864): dimension i turns with i +
// H/2.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// x (B,N,T,H); cos, sin (B|1,1,T,H) -> (B,N,T,H); differentiable in x.
at::Tensor apply_rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace tongueforge::kernels
