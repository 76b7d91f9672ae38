// The evenly spaced values that a quantised weight can have; zero is one of them, exactly.
#pragma once
#include <c10/core/ScalarType.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tongueforge::compress {

/// value = (code - zero) * scale
struct Grid {
  float scale = 1;
  int zero = 0;
};

/// How codes are laid over the weights that share a grid.
struct GridKind {
  int bits = 4;
  bool symmetric = true;  // codes -M..M, M = 2^(bits-1) - 1; else all 2^bits of them, from lowest to highest
  bool bfloat16 = false;  // what scales and values are stored in; else float32

  int lowest() const { return symmetric ? -highest() : -(1 << (bits - 1)); }
  int highest() const { return (1 << (bits - 1)) - 1; }

  /// The narrowest that reaches from the lowest to the highest of `count` weights and zero; those of which
  /// maybe_fixed[i] is not 0 do not count. Scales are rounded up to 16 bits of mantissa, to 8 for bfloat16:
  /// with the former all values are exact, so that quantising them again changes nothing.
  Grid over(const float* weights, int64_t count, const uint8_t* maybe_fixed = nullptr) const {
    float low = 0, high = 0;
    for (int64_t i = 0; i < count; i++) {
      if (maybe_fixed && maybe_fixed[i]) continue;
      low = std::min(low, weights[i]);
      high = std::max(high, weights[i]);
    }
    if (low == high) return {};
    if (symmetric) return {rounded_up(double{std::max(high, -low)} / highest()), 0};
    const float scale = rounded_up((double{high} - low) / (highest() - lowest()));
    return {scale, std::clamp(lowest() - static_cast<int>(std::nearbyint(low / scale)), lowest(), highest())};
  }

  /// Of the nearest value, of two as near the even one.
  int code(float weight, const Grid& grid) const {
    const float steps = std::nearbyint(weight / grid.scale) + static_cast<float>(grid.zero);
    return static_cast<int>(std::clamp(steps, static_cast<float>(lowest()), static_cast<float>(highest())));
  }

  float value(int code, const Grid& grid) const {
    const float exact = static_cast<float>(code - grid.zero) * grid.scale;
    return bfloat16 ? static_cast<float>(c10::BFloat16(exact)) : exact;
  }

 private:
  float rounded_up(double scale) const {
    const uint32_t dropped = bfloat16 ? 0xffff : 0xff;
    const auto bits =
        std::bit_cast<uint32_t>(std::max(static_cast<float>(scale), std::numeric_limits<float>::min()));
    return std::bit_cast<float>((bits + dropped) & ~dropped);
  }
};

}  // namespace tongueforge::compress
