// Looks at the values of a file, which the format does not constrain: NaN, infinities, zeros, booleans that
// are neither 0 nor 1.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "core/job.h"

namespace tongueforge::checkpoint {

/// Counts for one tensor. Integers and booleans have only zeros; of a C64 element each part may be NaN or
/// infinite, and it is zero where both parts are.
struct ValueScan {
  std::string name;
  uint64_t num_nan = 0, num_inf = 0;
  uint64_t num_zero = 0;  // of either sign
};

/// Reads all data of a file once. @return a row for every tensor, in header order
/// @throws ERR_SAFETENSORS with reason "bool_value" at the first BOOL byte that is not 0 or 1
std::vector<ValueScan> scan(const SafetensorsFile& file, Job& job);

}  // namespace tongueforge::checkpoint
