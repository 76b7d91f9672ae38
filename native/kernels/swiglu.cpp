#include "kernels/swiglu.h"

#include "kernels/aten.h"

namespace tongueforge::kernels {

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) { return at::silu(gate).mul(up); }

}  // namespace tongueforge::kernels
