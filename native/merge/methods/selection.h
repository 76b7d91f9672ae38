// The largest of many numbers, exactly: no sampling, no copy of them, and equal ones by their place.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tongueforge::merge {

/// Numbers whose bits are above stay, and the first `num_equal` of those that are equal.
struct Threshold {
  uint32_t bits = 0;
  size_t num_equal = 0;
};

/// Cuts off the `count` largest of `size` numbers that are not negative; of equal ones, those that come
/// first. A NaN counts as larger than all else. Two passes of counting over the bits.
Threshold largest(const float* numbers, size_t size, size_t count);

/// Calls visit(i) for each number that a threshold lets stay, in ascending order.
template <class Visit>
void for_largest(const float* numbers, size_t size, Threshold threshold, const Visit& visit);

/// The number of a rank, counted from 0 at the smallest.
float ranked(const float* numbers, size_t size, size_t rank);

}  // namespace tongueforge::merge

#include <bit>

template <class Visit>
void tongueforge::merge::for_largest(const float* numbers, size_t size, Threshold threshold,
                                     const Visit& visit) {
  for (size_t i = 0; i < size; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(numbers[i]);
    if (bits < threshold.bits) continue;
    if (bits == threshold.bits) {
      if (threshold.num_equal == 0) continue;
      --threshold.num_equal;
    }
    visit(i);
  }
}
