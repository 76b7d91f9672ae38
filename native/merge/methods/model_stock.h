// Model Stock (Jang et al. 2024, arXiv 2403.19522): the mean of fine-tuned models, drawn to the base the more
// the less their deltas agree.
//
//   c = mean over pairs of cos(x_i - b, x_j - b),  t = N c / (1 + (N-1) c),  out = t mean(x) + (1-t) b
//
// Parameters of the tensor: filter_wise (off: one c for the tensor; on: one for each row).
//
// Promises: models equal to the base give the base bit for bit; the order of inputs does not matter, to a
// unit in the last place of float32. Equal models that differ from the base come out to such a unit. Not
// elementwise.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_model_stock(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
