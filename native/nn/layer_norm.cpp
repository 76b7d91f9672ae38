#include "nn/layer_norm.h"

#include "kernels/aten.h"

namespace tongueforge::nn {

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, eps);
}

}  // namespace tongueforge::nn
