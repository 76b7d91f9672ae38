// The largest values of each tensor, the others zero: rows compressed (CSR). A column number takes two bytes
// where a flat index would take four, any stretch of rows is found without reading what comes before it, and
// scipy's csr_matrix reads it as it stands. The values are float32: those that are kept are exact.
#pragma once
#include "merge/delta/delta_codec.h"

namespace tongueforge::merge {

/// Exactly round(density * n) values, at least one: those of the largest magnitude; of equal ones, the first.
/// Parts "values" F32 (k), "columns" U16, or U32 for more than 65,536 columns, (k) ascending in each row,
/// "row_starts" I64 (rows + 1), "shape" I64 (rank). A tensor of more dimensions has one row for each of its
/// last axis.
std::unique_ptr<DeltaEncoder> encode_top_k(const DeltaInput& input, const DeltaSettings& settings);
std::vector<int64_t> shape_of_top_k(const StoredDelta& stored);
std::unique_ptr<DeltaTensor> decode_top_k(const StoredDelta& stored, const std::vector<int64_t>& shape);

}  // namespace tongueforge::merge
