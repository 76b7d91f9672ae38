// Karcher mean (Karcher 1977): the point of the unit sphere whose squared distances to all models add up to
// the least, times the mean of their lengths.
//
//   u_i = x_i / |x_i|,  m = unit(mean u_i);  until |v| < tol: v = mean log_m(u_i), m = exp_m(v)
//   out = mean |x_i| * m
//
// Parameters of the tensor: max_iter (10), tol (1e-5).
//
// Promises: equal models come out bit for bit. The order of inputs does not matter, to a unit in the last
// place of float32. Not elementwise.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_karcher(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
