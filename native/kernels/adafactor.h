// Adafactor (Shazeer & Stern 2018, arXiv 1804.04235), at a given learning rate: the second moment of a matrix
// is kept as the means of its rows and columns only. A tensor of more dimensions is so many matrices of its
// last two, as in transformers; its update is clipped as one. Letters: P matrices, R rows, C columns.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tongueforge::kernels {

struct AdafactorCoefficients {
  double lr = 0, beta2 = 0;   // of this update: 1 - step^-decay_rate
  double eps = 1e-30;         // added to squared gradients
  double clip_threshold = 1;  // largest root mean square of an update of lr 1
  double weight_decay = 0;    // decoupled
  double beta1 = 0;           // of the first moment, where there is one
};

/// One parameter and its moments, all float32 and dense. A vector is one row without `row_moment`.
struct AdafactorTensor {
  float* parameter;       // (P,R,C)
  const float* gradient;  // (P,R,C)
  float* row_moment;      // (P,R): means over columns of squared gradients; null for a vector
  float* column_moment;   // (P,C): means over rows
  float* first_moment;    // (P,R,C) of updates, or null
  int64_t rows, columns, matrices = 1;
};

/// Updates parameter and moments in place; the same bytes for every number of threads.
void adafactor_(const AdafactorTensor& tensor, const AdafactorCoefficients& coefficients);

/// The same as tensors, on any one device: row_moment (...,R), column_moment (...,C). The gradient may be of
/// another dtype; undefined where the pointers would be null.
struct AdafactorState {
  at::Tensor parameter, gradient, row_moment, column_moment, first_moment;
};

/// As above: on the CPU by that, elsewhere by plain operators, for which nobody waits.
void adafactor_(const AdafactorState& state, const AdafactorCoefficients& coefficients);

}  // namespace tongueforge::kernels
