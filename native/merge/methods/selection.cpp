#include "merge/methods/selection.h"

#include <algorithm>
#include <bit>
#include <limits>

// Numbers that are not negative are in the order of their bits, so that counting how often each upper half
// occurs, and then each lower half under the upper half in question, finds any rank in two passes.

namespace tongueforge::merge {
namespace {

constexpr size_t kHalves = 65536;

uint32_t bits_of(float number) { return std::bit_cast<uint32_t>(number); }

/// Numbers whose bits are above stay, and the first `num_kept` of the `num_equal` that have the same.
struct Threshold {
  uint32_t bits = 0;
  size_t num_kept = 0, num_equal = 0;
};

/// Among `counts`, from the largest: the place where `count` is reached, and how many of it are still wanted.
size_t reach(const std::vector<size_t>& counts, size_t& count) {
  size_t place = counts.size() - 1;
  while (place > 0 && counts[place] < count) count -= counts[place--];
  return place;
}

Threshold largest(const float* numbers, size_t size, size_t count) {
  if (count == 0) return {std::numeric_limits<uint32_t>::max(), 0, 0};
  if (count >= size) return {0, size, size};
  std::vector<size_t> counts(kHalves, 0);
  for (size_t i = 0; i < size; ++i) ++counts[bits_of(numbers[i]) >> 16];
  const size_t upper = reach(counts, count);
  std::fill(counts.begin(), counts.end(), 0);
  for (size_t i = 0; i < size; ++i) {
    const uint32_t bits = bits_of(numbers[i]);
    if (bits >> 16 == upper) ++counts[bits & 0xffffu];
  }
  const size_t lower = reach(counts, count);
  return {static_cast<uint32_t>(upper << 16 | lower), count, counts[lower]};
}

}  // namespace

std::vector<uint8_t> mask_of_largest(const float* numbers, size_t size, size_t count) {
  Threshold threshold = largest(numbers, size, count);
  std::vector<uint8_t> mask(size);
  for (size_t i = 0; i < size; ++i) mask[i] = bits_of(numbers[i]) >= threshold.bits ? 1 : 0;
  if (threshold.num_kept == threshold.num_equal) return mask;
  for (size_t i = 0; i < size; ++i) {
    if (bits_of(numbers[i]) != threshold.bits) continue;
    mask[i] = threshold.num_kept > 0 ? 1 : 0;
    if (mask[i]) --threshold.num_kept;
  }
  return mask;
}

float ranked(const float* numbers, size_t size, size_t rank) {
  if (rank == 0) return *std::min_element(numbers, numbers + size);
  return std::bit_cast<float>(largest(numbers, size, size - rank).bits);
}

}  // namespace tongueforge::merge
