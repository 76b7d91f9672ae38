// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), one fused pass over parameters and moments.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace tongueforge::kernels {

struct AdamWCoefficients {
  double lr, beta1, beta2, eps, weight_decay;
};

/// All lists in the same order and of equal length; steps are float32 scalars, already counted up for this
/// update.
struct AdamWState {
  std::vector<at::Tensor> parameters, gradients, first_moments, second_moments, steps;
};

/// Updates parameters and moments in place.
void adamw_(AdamWState& state, const AdamWCoefficients& coefficients);

}  // namespace tongueforge::kernels
