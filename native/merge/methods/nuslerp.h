// NuSlerp: slerp between two models by their weights, or between their deltas from a base.
//
//   t = w_2 / (w_1 + w_2), 1/2 where the sum of the weights is below 1e-6
//   out = slerp(x_1, x_2, t), with a base b + slerp(x_1 - b, x_2 - b, t)
//
// Parameters of an input: weight (1). Of the tensor: nuslerp_flatten (on: one angle for the whole tensor),
// and where that is off nuslerp_row_wise (off): off, an angle for each row (vectors along the last
// dimension), on, for each column (along the first). So does mergekit, whatever the name says.
//
// Promises: equal models come out bit for bit; equal to the base, the base. The order of the inputs does not
// matter, to a unit in the last place of float32. Not elementwise.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_nuslerp(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
