// Passthrough: the tensors of one model, for layers that are stacked anew.
//
//   out = scale * x
//
// Parameters of an input: scale (1, at which every bit stays). Elementwise.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_passthrough(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
