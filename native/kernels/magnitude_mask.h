// Which of many numbers are smallest by absolute value, as masks: what magnitude pruning removes. Exactly so
// many; of equal ones those that stand first.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/job.h"

namespace tongueforge::kernels {

/// What competes: the whole pool, each tensor for itself, or each row of a matrix; a vector is one row.
enum class MaskScope { global, layer, row };

/// From "global" | "layer" | "row". Throws ERR_USAGE.
MaskScope mask_scope_from_name(const std::string& name);

/// round(share * n), half to even, as torch.nn.utils.prune counts.
int64_t share_of(double share, int64_t n);

/// bool masks of the pool's shapes: true for the share_of(share, n) smallest |values| of each competition. A
/// NaN is larger than all. What is true in `already` (masks of the same shapes, or none) comes first, and
/// stays even where it is more than the share. Values: float32, bfloat16 or float16. Throws ERR_USAGE for
/// others. A job is asked between tensors whether it was cancelled.
std::vector<at::Tensor> smallest(const std::vector<at::Tensor>& pool, MaskScope scope, double share,
                                 const std::vector<at::Tensor>& already = {}, const Job* maybe_job = nullptr);

/// The same masks one after another, as see(place in the pool, mask): no more than one of them is held, a
/// byte for each of its weights. What has been seen may be changed.
void for_smallest(const std::vector<at::Tensor>& pool, MaskScope scope, double share,
                  const std::vector<at::Tensor>& already, const Job* maybe_job,
                  const std::function<void(size_t place, const at::Tensor& mask)>& see);

}  // namespace tongueforge::kernels
