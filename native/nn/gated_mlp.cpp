#include "nn/gated_mlp.h"

#include "nn/side_by_side.h"

namespace tongueforge::nn {

at::Tensor GatedMlp::operator()(const at::Tensor& x_BTD) const { return down(gated(x_BTD, gate, up)); }

}  // namespace tongueforge::nn
