#include "nn/linear.h"

#include "kernels/aten.h"

namespace tongueforge::nn {

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
}

}  // namespace tongueforge::nn
