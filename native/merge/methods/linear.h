// Linear: the weighted mean of the models (model soups, Wortsman et al. 2022, arXiv 2203.05482).
//
//   out = sum w_i x_i [/ sum w_i]
//
// Parameters of an input: weight (1). Of the tensor: normalize (on). A sum of weights below 1e-8 divides
// nothing.
//
// Promises: equal models come out bit for bit (normalize, weights of one sign); so does a single one of
// weight
// 1. The order of inputs changes a result by a unit in the last place of float32 at most, and of two not at
// all. Elementwise.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_linear(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
