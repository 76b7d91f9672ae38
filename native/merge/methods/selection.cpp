#include "merge/methods/selection.h"

#include <algorithm>
#include <limits>
#include <vector>

// Numbers that are not negative are in the order of their bits, so that counting how often each upper half
// occurs, and then each lower half under the upper half in question, finds any rank in two passes.

namespace tongueforge::merge {
namespace {

constexpr size_t kHalves = 65536;

/// Among `counts`, from the largest: the place where `count` is reached, and how many of it are still wanted.
size_t reach(const std::vector<size_t>& counts, size_t& count) {
  size_t place = counts.size() - 1;
  while (place > 0 && counts[place] < count) count -= counts[place--];
  return place;
}

}  // namespace

Threshold largest(const float* numbers, size_t size, size_t count) {
  if (count == 0) return {std::numeric_limits<uint32_t>::max(), 0};
  if (count >= size) return {0, size};
  std::vector<size_t> counts(kHalves, 0);
  for (size_t i = 0; i < size; ++i) ++counts[std::bit_cast<uint32_t>(numbers[i]) >> 16];
  const size_t upper = reach(counts, count);
  std::fill(counts.begin(), counts.end(), 0);
  for (size_t i = 0; i < size; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(numbers[i]);
    if (bits >> 16 == upper) ++counts[bits & 0xffffu];
  }
  const size_t lower = reach(counts, count);
  return {static_cast<uint32_t>(upper << 16 | lower), count};
}

float ranked(const float* numbers, size_t size, size_t rank) {
  if (rank == 0) return *std::min_element(numbers, numbers + size);
  return std::bit_cast<float>(largest(numbers, size, size - rank).bits);
}

}  // namespace tongueforge::merge
