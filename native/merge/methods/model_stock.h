// Model Stock (Jang et al. 2024, arXiv 2403.19522): the mean of fine-tuned models, drawn to the base the more
// the less their deltas agree.
//
//   c = mean over pairs of cos(x_i - b, x_j - b),  t = N c / (1 + (N-1) c),  out = t mean(x) + (1-t) b
//
// Where the deltas cancel each other (a denominator below 1e-6) the result is the base. t is not held within
// 0 and 1, nor does mergekit do so: deltas at more than a right angle push the result away from their mean.
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
