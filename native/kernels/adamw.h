// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), one fused pass over parameters and moments; on CUDA the
// rounded weights are written in the same pass.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace tongueforge::kernels {

/// How an updated number becomes a weight of 16 bits. Stochastic: up or down with the odds of how near each
/// is, so that what is lost is nothing on average (kernels/stochastic_rounding.h).
enum class Rounding { nearest, stochastic };

struct AdamWCoefficients {
  double beta1, beta2, eps, weight_decay;
  Rounding rounding = Rounding::nearest;
  uint64_t seed = 0;  // with the count of updates it decides what stochastic rounding does
};

/// What differs from update to update: scalars on the device of the parameters, so that a CUDA graph that
/// holds the update reads new ones at each replay. On CUDA none of them is read by the host.
struct AdamWUpdate {
  at::Tensor lr;       // float64
  at::Tensor count;    // float32: updates, this one included
  at::Tensor scale{};  // float32: multiplies the gradients; undefined: 1. NaN: the update is not taken
};

/// Parameters and their moments, dense and each in the layout of its master; lists in the same order and of
/// equal length.
struct AdamWState {
  /// What is updated: float32, or the weights themselves.
  std::vector<at::Tensor> masters;
  /// float32, bfloat16 or float16: what the updated masters are rounded into; none are where the list is
  /// empty.
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> first_moments, second_moments;  // float32
};

/// Updates masters and moments in place, and the weights where they are listed. gradients: float32, or of the
/// dtype of their weight; they may come back scaled. The same numbers give the same bytes.
void adamw_(AdamWState& state, const std::vector<at::Tensor>& gradients, const AdamWUpdate& update,
            const AdamWCoefficients& coefficients);

}  // namespace tongueforge::kernels
