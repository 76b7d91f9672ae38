// The upper triangular U with U^T U = (H + damping)^-1, which the solver of SparseGPT and GPTQ walks down.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "core/job.h"

namespace tongueforge::compress {

struct InverseFactor {
  at::Tensor u_CC;     // upper triangular, positive diagonal, zeros below it; float32
  at::Tensor dead_C;   // bool: inputs that were 0 throughout; they weigh what the mean of the others does
  double damping = 0;  // share of the mean of H's diagonal, over live inputs, that was added to it
  double added = 0;    // the number itself
  int retries = 0;     // how often damping had to be raised tenfold first
};

/// From gram_CC = X^T X (C,C), float32, symmetric, of any scale. Where H + damping is not positive definite
/// in this arithmetic, damping is raised tenfold, and the result says so. Factors once, from the last input
/// back: H = R R^T with R upper triangular, U = R^-1; the inverse of H itself is never made. Holds H and one
/// matrix more. Throws ERR_NON_FINITE where H holds a number that is none, ERR_CALIBRATION where no damping
/// helped; `name` is the input in the message.
InverseFactor inverse_factor(const at::Tensor& gram_CC, double damping, const std::string& name,
                             const Job& job);

}  // namespace tongueforge::compress
