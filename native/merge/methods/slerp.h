// Slerp (Shoemake 1985): from the base to one other model along a great circle.
//
//   out = sin((1-t) theta) / sin(theta) b + sin(t theta) / sin(theta) x,   theta the angle between the
//   tensors
//
// Parameters of the tensor: t (required; 0 is the base, 1 the other). Straight, (1-t) b + t x, where
// |cos theta| > 0.9995 or one of them is all zeros.
//
// Promises: equal models come out bit for bit; t and the models exchanged for 1-t gives the same values to a
// unit in the last place of float32. Not elementwise: the angle is that of the whole tensor.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_slerp(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
