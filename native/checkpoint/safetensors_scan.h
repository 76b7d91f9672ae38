// Looks at the values of a file, which the format does not constrain: NaN, infinities, booleans that are neither 0 nor 1.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "core/job.h"

namespace tongueforge::checkpoint {

/// Counts for one tensor of a float type (a C64 element counts for each of its two parts).
struct ValueScan {
  std::string name;
  uint64_t num_nan = 0, num_inf = 0, num_zero = 0;  // -0.0 is a zero too
};

/// Reads all data of a file once. @return one row for every float tensor, in header order
/// @throws ERR_SAFETENSORS with reason "bool_value" at the first BOOL byte that is not 0 or 1
std::vector<ValueScan> scan(const SafetensorsFile& file, Job& job);

}  // namespace tongueforge::checkpoint
