// RAM, reinforced agent merging (Yuan et al. 2026, arXiv 2601.13572): for models whose deltas are sparse, as
// those of reinforcement learning are.
//
//   d_i = x_i - b, changed where |d_i| > epsilon
//   out = b               where no model changed the element,
//         b + d_i         where one did (unique),
//         b + mean(d_i)   over those that did, where several did (shared)
//
// ramplus_tl multiplies the unique d_i of model i by 1 + r * clamp(rho_i, 0, alpha), where rho_i is the
// number of the tensor's elements that the model shares over the number of those that are its own (0 where it
// has none).
//
// Parameters of the tensor: epsilon (1e-5); ramplus_tl: r (0.1), alpha (0.2).
//
// Promises: what no model changed is the base bit for bit; one model of ram comes out where it changed
// something, bit for bit but for elements below 2^-26 of their base. The order of inputs does not matter, to
// a unit in the last place of float32. ram is elementwise, ramplus_tl is not.
#pragma once
#include "merge/methods/method.h"

namespace tongueforge::merge {

void merge_ram(const MethodTensor& tensor, float* out);
void merge_ramplus_tl(const MethodTensor& tensor, float* out);

}  // namespace tongueforge::merge
