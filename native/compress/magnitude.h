// Pruning by magnitude: the smallest weights become zero. Zeros of an earlier pruning are the smallest and go
// first: masks are nested.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/magnitude_mask.h"

namespace tongueforge::compress {

/// Sets to zero, in place, the smallest weights of a pool of tensors of any shape:
/// kernels::share_of(sparsity, n) of all of them together (torch.nn.utils.prune.global_unstructured), of each
/// (l1_unstructured) or of each row; of equal ones those that come first. Returns how many went. A job is
/// asked between tensors whether it was cancelled.
int64_t prune_magnitude(const std::vector<at::Tensor>& pool, kernels::MaskScope scope, double sparsity,
                        const Job* maybe_job = nullptr);

}  // namespace tongueforge::compress
