#include "kernels/rotary.h"

#include "kernels/aten.h"

namespace tongueforge::kernels {

at::Tensor apply_rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const auto halves = x.chunk(2, -1);
  const auto turned = at::cat({halves[1].neg(), halves[0]}, -1);
  return x.mul(cos).add(turned.mul(sin));
}

}  // namespace tongueforge::kernels
