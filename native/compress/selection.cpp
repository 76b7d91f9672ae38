#include "compress/selection.h"

#include <algorithm>
#include <vector>

namespace tongueforge::compress {
namespace {

constexpr size_t kHalves = 65536;

Cut cut_by_order(std::span<const float> scores, int64_t count) {
  std::vector<uint32_t> bits(scores.size());
  std::transform(scores.begin(), scores.end(), bits.begin(), score_bits);
  const auto last = bits.begin() + (count - 1);
  std::nth_element(bits.begin(), last, bits.end());
  // Those before it are not higher: its equals among them go too.
  return {*last, 1 + std::count(bits.begin(), last, *last)};
}

// The first place, from the lowest, at which `left` is reached; `left` becomes what is still to go within it.
uint32_t reach(const std::vector<int64_t>& counts, int64_t& left) {
  size_t place = 0;
  while (counts[place] < left) left -= counts[place++];
  return static_cast<uint32_t>(place);
}

// How often each upper half occurs, and then each lower half under the upper half in question.
Cut cut_by_counts(std::span<const float> scores, int64_t count) {
  std::vector<int64_t> counts(kHalves, 0);
  for (const float score : scores) counts[score_bits(score) >> 16]++;
  const uint32_t upper = reach(counts, count);
  std::fill(counts.begin(), counts.end(), 0);
  for (const float score : scores)
    if (score_bits(score) >> 16 == upper) counts[score_bits(score) & 0xffffu]++;
  const uint32_t lower = reach(counts, count);
  return {upper << 16 | lower, count};
}

}  // namespace

Cut cut_of(std::span<const float> scores, int64_t count) {
  if (count <= 0) return {};
  return scores.size() < kHalves ? cut_by_order(scores, count) : cut_by_counts(scores, count);
}

}  // namespace tongueforge::compress
