// The difference as it is, in float32: adding it is the graft itself, bit for bit.
#pragma once
#include "merge/delta/delta_codec.h"

namespace tongueforge::merge {

/// Part "": F32, of the tensor's shape.
std::unique_ptr<DeltaEncoder> encode_dense(const DeltaInput& input, const DeltaSettings& settings);
std::vector<int64_t> shape_of_dense(const StoredDelta& stored);
std::unique_ptr<DeltaTensor> decode_dense(const StoredDelta& stored, const std::vector<int64_t>& shape);

}  // namespace tongueforge::merge
