#include "nn/chosen_product.h"

#include "kernels/linear.h"

namespace tongueforge::nn {

at::Tensor ChosenProduct::operator()(const at::Tensor& x, const at::Tensor& maybe_bias) const {
  const bool is_one = x.numel() == inputs_;
  return (is_one ? use.one : use.more) ? product(x, maybe_bias) : kernels::linear(x, weight(), maybe_bias);
}

}  // namespace tongueforge::nn
