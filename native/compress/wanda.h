// Pruning within rows: Wanda (Sun et al. 2023, arXiv 2306.11695), and magnitude as its case without norms.
// Letters: R rows (outputs), C columns (inputs).
#pragma once
#include <ATen/core/Tensor.h>

#include "compress/amount.h"

namespace tongueforge::compress {

/// Sets weights of weight_RC (float32, dense) to zero in place by the score |W_ij| * norms_C[j], where norms
/// are ||X_j||_2 of the inputs, float32, or undefined: all 1. Of each row the whole_count(sparsity, C) lowest
/// go, or of each M consecutive inputs all but the N highest; of equal scores those that come first. The same
/// bytes for every number of threads. Returns how many went.
int64_t prune_rows(const at::Tensor& weight_RC, const at::Tensor& maybe_norms_C, const Amount& amount);

}  // namespace tongueforge::compress
