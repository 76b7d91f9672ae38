// SCE (Wan et al. 2024, FuseChat, arXiv 2408.07990): select, calculate, erase.
//
//   d_i = x_i - b
//   select      the `select_topk` elements whose d_i vary most between the inputs; elsewhere d_i = 0
//   calculate   w_i = mean(d_i^2), divided by their sum
//   erase       at each element the inputs whose sign is not that of sum d_i (0 counts as +)
//   out = b + sum w_i d_i / sum w_i over the inputs that are left
//
// Parameters of the tensor: select_topk (1). floor(select_topk * k) elements are selected, k the number of
// those that vary at all, equal variances by their place. A single input has no variance: selecting leaves
// nothing of it with `compat`, and all of it without.
//
// Promises: models equal to the base give the base bit for bit; equal models come out to a unit in the last
// place of float32 (select_topk 1). The order of inputs does not matter, to the same. Not elementwise.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_sce(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
