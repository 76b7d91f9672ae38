// Float32 values on their way out: rounded once to the dtype that is stored.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace tongueforge::merge {

/// `count` values to memory of BF16, F16 or F32, rounded to nearest even. @return how many of the results are
/// infinite or not a number
uint64_t store_floats(DType dtype, const float* values, size_t count, void* to);

/// How many of `count` values of BF16, F16 or F32 are infinite or not a number.
uint64_t count_nonfinite(DType dtype, const void* values, size_t count);

/// Values as they would come back from memory of `dtype`.
void round_floats(DType dtype, float* values, size_t count);

}  // namespace tongueforge::merge
