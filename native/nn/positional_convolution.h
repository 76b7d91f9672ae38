// Where a frame stands among its neighbours, learnt: a wide grouped convolution whose result is added to what
// it reads (wav2vec 2.0, Baevski et al. 2020, arXiv 2006.11477).
// Letters: B batch, T time, D model, K places of the kernel, G groups.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/activation.h"

namespace tongueforge::nn {

struct PositionalConvolution {
  at::Tensor weight;   // (D,D/G,K); with lengths beside it, only its directions count
  at::Tensor lengths;  // (1,1,K): weight norm (Salimans & Kingma 2016, arXiv 1602.07868), or undefined
  at::Tensor bias;     // (D)
  int64_t groups = 1;
  Activation activation = Activation::gelu;

  /// (D,D/G,K), as it is multiplied; differentiable in weight and lengths.
  at::Tensor kernel() const;
  /// What is to be added, (B,T,D) -> (B,T,D): around each row there are zeros.
  at::Tensor operator()(const at::Tensor& x_BTD) const;
};

}  // namespace tongueforge::nn
