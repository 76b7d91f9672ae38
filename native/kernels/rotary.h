// Rotary position embedding, half-split layout (Su et al. 2021, arXiv 2104.09864): dimension i turns with i +
// H/2. Fused over queries and keys; backward is the turn by the opposite angle, so nothing is kept but the
// angles.
#pragma once
#include <ATen/core/Tensor.h>

#include <utility>

namespace tongueforge::kernels {

/// q (B,N,T,H), k (B,K,T,H) in any layout whose last dimension is dense; cos, sin (B|1,1,T,H), whose second
/// half repeats the first -> q and k turned, laid out in memory as they came. Differentiable in q and k.
std::pair<at::Tensor, at::Tensor> apply_rotary(const at::Tensor& q, const at::Tensor& k,
                                               const at::Tensor& cos, const at::Tensor& sin);

}  // namespace tongueforge::kernels
