// The lowest of many scores, exactly: no sampling, and of equal ones those that come first. Scores are not
// negative: their order is that of their bits. A NaN is higher than all else.
#pragma once
#include <bit>
#include <cstdint>
#include <span>

namespace tongueforge::compress {

inline uint32_t score_bits(float score) { return std::bit_cast<uint32_t>(score) & 0x7fffffffu; }

/// Scores go whose bits are below, and the first `ties` of those that have the same.
struct Cut {
  uint32_t bits = 0;
  int64_t ties = 0;

  /// Whether the next score in order goes.
  bool takes(float score) {
    const uint32_t its = score_bits(score);
    if (its != bits) return its < bits;
    return ties-- > 0;
  }
};

/// The cut that `count` of these scores fall under; 0 <= count <= size. kernels/magnitude_mask.h has the same
/// for shares of whole tensors, as masks.
Cut cut_of(std::span<const float> scores, int64_t count);

}  // namespace tongueforge::compress
