// NearSwap: the base, moved towards one other model where the two are near each other.
//
//   a = min(1, t / max(|b - x|, 1e-6)),  out = a x + (1 - a) b
//
// Parameters of the tensor: t (required). Where they differ by less than t the result is x; elsewhere it
// moves by t.
//
// Promises: equal models come out bit for bit; t = 0 gives the base; a t larger than all differences gives
// the other model. Elementwise.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_nearswap(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
