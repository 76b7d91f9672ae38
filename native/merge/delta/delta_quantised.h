// Whole numbers with a scale for each group of neighbours in a row: eight bits, or four.
#pragma once
#include "merge/delta/delta_codec.h"

namespace tongueforge::merge {

/// value = code * scale in float32, with scale = largest magnitude of the group / 127 (int8) or / 7 (int4) in
/// float32 (float16 has no room for the scales of small differences), code = value / scale rounded to the
/// nearest, ties to even; a group of zeros has scale 0. Matrices alone; vectors are dense.
/// Parts "int8" I8 of the tensor's shape, or "int4" U8 (..., ceil(columns / 2)): code + 8 in the low half of
/// a byte for the even column, in the high half for the odd one; "scales" F32 (..., ceil(columns / group));
/// of int4 also "shape" I64 (rank).
std::unique_ptr<DeltaEncoder> encode_int8(const DeltaInput& input, const DeltaSettings& settings);
std::unique_ptr<DeltaEncoder> encode_int4(const DeltaInput& input, const DeltaSettings& settings);
std::vector<int64_t> shape_of_int8(const StoredDelta& stored);
std::vector<int64_t> shape_of_int4(const StoredDelta& stored);
std::unique_ptr<DeltaTensor> decode_int8(const StoredDelta& stored, const std::vector<int64_t>& shape);
std::unique_ptr<DeltaTensor> decode_int4(const StoredDelta& stored, const std::vector<int64_t>& shape);

}  // namespace tongueforge::merge
