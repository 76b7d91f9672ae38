// The largest of many numbers, exactly: no sampling, no copy of them, and equal ones by their place. In two
// passes of counting over the bits of numbers that are not negative; a NaN counts as larger than all else.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tongueforge::merge {

/// 1 for each of the `count` largest of `size` numbers, else 0; of equal ones those that come first.
std::vector<uint8_t> mask_of_largest(const float* numbers, size_t size, size_t count);

/// The number of a rank, counted from 0 at the smallest.
float ranked(const float* numbers, size_t size, size_t rank);

}  // namespace tongueforge::merge
