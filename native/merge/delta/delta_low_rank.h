// The best approximation of each matrix by a product of two thin ones (Eckart & Young 1936), as a truncated
// singular value decomposition gives it.
//
// The singular vectors come from the Gram matrix of the smaller side, in double, gathered in blocks of the
// larger one: memory is that matrix and the factors, also for the embedding of a large vocabulary. What is
// lost by squaring lies eight digits below the largest singular value, where float32 factors end as well.
#pragma once
#include "merge/delta/delta_codec.h"

namespace tongueforge::merge {

/// Parts "left" (rows, r) and "right" (r, columns), F32 or BF16: their product in double is rounded to
/// float32. The rows of "right", or the columns of "left" where the matrix is wider than high, are
/// orthonormal. r is settings.rank, the sides at most. Vectors, tensors of more than two dimensions and
/// matrices that factors would not make smaller are dense.
std::unique_ptr<DeltaEncoder> encode_low_rank(const DeltaInput& input, const DeltaSettings& settings);
/// Sets the rank to the smallest that keeps settings.energy of the sum of squares, if that is above zero.
void settle_low_rank(const DeltaInput& input, DeltaSettings& settings, const Workspace& workspace);
std::vector<int64_t> shape_of_low_rank(const StoredDelta& stored);
std::unique_ptr<DeltaTensor> decode_low_rank(const StoredDelta& stored, const std::vector<int64_t>& shape);

}  // namespace tongueforge::merge
