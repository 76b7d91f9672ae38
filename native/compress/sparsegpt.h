// SparseGPT (Frantar & Alistarh 2023, arXiv 2301.00774): weights go where the others of their row can make up
// for them on the calibration inputs. Letters: R rows (outputs), C columns (inputs).
#pragma once
#include <ATen/core/Tensor.h>

#include "compress/amount.h"
#include "compress/inverse_factor.h"
#include "core/job.h"

namespace tongueforge::compress {

/// Prunes weight_RC (float32, dense) in place, `block` columns at a time. The score of a weight is
/// |W_ij| / U_jj, 0 for dead inputs; of each block the whole_count(sparsity, R * width) lowest go, compared
/// over all rows, or of each M consecutive inputs all but the N highest, as they are when their column is
/// reached. Of equal scores those that come first go, row by row. (The authors' code takes one weight more of
/// each block and its equals, and sets all of a dead input to zero: here the count is exact, and a sparsity
/// of 0 changes nothing.) Returns || (W - W') X ||^2 + added ||W - W'||^2. Throws ERR_CONFIG where a block is
/// not whole groups.
double prune_sparsegpt(const at::Tensor& weight_RC, const InverseFactor& factor, const Amount& amount,
                       int64_t block, const Job& job);

}  // namespace tongueforge::compress
