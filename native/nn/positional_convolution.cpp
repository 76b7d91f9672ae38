#include "nn/positional_convolution.h"

#include "kernels/aten.h"

namespace tongueforge::nn {

at::Tensor PositionalConvolution::kernel() const {
  return lengths.defined() ? at::_weight_norm(weight, lengths, /*dim=*/2) : weight;
}

at::Tensor PositionalConvolution::operator()(const at::Tensor& x_BTD) const {
  const int64_t time = x_BTD.size(1), width = weight.size(2);
  const auto y_BDT = at::conv1d(x_BTD.transpose(1, 2), kernel(), bias, /*stride=*/1, /*padding=*/width / 2,
                                /*dilation=*/1, groups);
  // An even kernel gives one place too many: its last.
  return activated(y_BDT.narrow(2, 0, time), activation).transpose(1, 2);
}

}  // namespace tongueforge::nn
