#include "kernels/rms_norm.h"

#include "kernels/aten.h"

namespace tongueforge::kernels {

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const auto wide = x.to(at::kFloat);
  const auto scale = at::rsqrt(wide.square().mean(-1, /*keepdim=*/true).add(eps));
  return wide.mul(scale).to(x.scalar_type()).mul(weight);
}

}  // namespace tongueforge::kernels
