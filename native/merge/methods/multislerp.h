// MultiSlerp: a weighted mean of any number of models on the sphere.
//
//   u_i = x_i / |x_i|,  out = sum w_i |x_i| * unit(sum w_i u_i)
//
// With a base, of the deltas x_i - b, and added to it. mergekit adds one step in the tangent space at that
// mean, where it takes for log_m(u_i) the projection u_i - (u_i . m) m: their weighted sum is 0 by the choice
// of m, so that the step goes nowhere. karcher goes on to the true barycentre.
//
// Parameters of an input: weight (1). Of the tensor: normalize_weights (on: divided by their sum); eps is
// accepted and changes nothing. Where a tensor is all zeros, or the unit vectors cancel each other, the mean
// is that of the tensors themselves.
//
// Promises: equal models come out bit for bit (weights normalised); equal to the base, the base. The order of
// inputs does not matter, to a unit in the last place of float32. Not elementwise.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_multislerp(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
