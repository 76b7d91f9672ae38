// The feed-forward block of Llama-like decoders: down(silu(gate(x)) * up(x)).
#pragma once
#include "nn/linear.h"

namespace tongueforge::nn {

struct GatedMlp {
  Linear gate, up, down;

  /// (B,T,D) -> (B,T,D)
  at::Tensor operator()(const at::Tensor& x_BTD) const;
};

}  // namespace tongueforge::nn
