// Arcee Fusion: the base with those changes of one other model that stand out.
//
//   importance = |x - b| * KL(softmax(x row) || softmax(b row))     rows along the last dimension
//   out = x where importance >= median + 1.5 (q75 - q25), else b
//
// The quartiles are those of the whole tensor, exact at any size, each the element of rank floor(q (n-1)).
// mergekit draws them from a sample where a tensor has more than a million elements.
//
// No parameters. Promises: equal models come out bit for bit; every element is the base's or the other's
// (with `compat`, b + (x - b) in steps). Not elementwise.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_arcee_fusion(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
