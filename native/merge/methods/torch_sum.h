// Sums in the order in which torch adds on an x86 CPU with one thread, for `compat: mergekit`: a sum of
// floats depends on its order, and DARE scales a whole tensor by the quotient of two of them.
#pragma once
#include <cstddef>

namespace tongueforge::merge {

/// The sum in float32: what tensor.sum() has before it is rounded to the tensor's dtype. `wide`: the tensor
/// is of float32, of which a register takes 8; of 16-bit types it takes 16, the upper half of which is added
/// to the lower.
float torch_sum(const float* values, size_t size, bool wide);

}  // namespace tongueforge::merge
