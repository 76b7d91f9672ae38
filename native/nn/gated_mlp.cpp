#include "nn/gated_mlp.h"

#include "kernels/swiglu.h"

namespace tongueforge::nn {

at::Tensor GatedMlp::operator()(const at::Tensor& x_BTD) const {
  return down(kernels::swiglu(gate(x_BTD), up(x_BTD)));
}

}  // namespace tongueforge::nn
