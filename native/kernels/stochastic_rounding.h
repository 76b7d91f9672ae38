// Rounding to 16 bits by the odds: up with the probability of how far a number lies above the lower of its
// two neighbours, so that the mean is the number itself and small updates of a 16-bit weight are not lost
// (Gupta et al. 2015, arXiv 1502.02551). The bits are Philox4x32-10's (Salmon et al. 2011), counted and never
// stored: the same seed and counter give the same bytes, on the CPU and in a CUDA kernel, in any order.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/anywhere.h"

namespace tongueforge::kernels {

/// 128 random bits, as eight numbers of 16.
struct RandomBits {
  uint32_t words[4];
  TONGUEFORGE_ANYWHERE uint32_t half(int i) const { return (words[i / 2] >> (16 * (i % 2))) & 0xffffu; }
};

TONGUEFORGE_ANYWHERE RandomBits philox(uint64_t seed, RandomBits counter) {
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  auto& c = counter.words;
  for (int round = 0; round < 10; round++) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0], b = uint64_t{0xCD9E8D57u} * c[2];
    const uint32_t c1 = c[1], c3 = c[3];
    c[0] = static_cast<uint32_t>(b >> 32) ^ c1 ^ key0;
    c[1] = static_cast<uint32_t>(b);
    c[2] = static_cast<uint32_t>(a >> 32) ^ c3 ^ key1;
    c[3] = static_cast<uint32_t>(a);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// The bits for elements 8 `group` and on of one of many tensors, at one of many updates.
TONGUEFORGE_ANYWHERE RandomBits rounding_bits(uint64_t seed, uint32_t tensor, uint32_t update,
                                              uint64_t group) {
  return philox(seed, {{static_cast<uint32_t>(group), static_cast<uint32_t>(group >> 32), tensor, update}});
}

TONGUEFORGE_ANYWHERE uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/// x -> the bits of a bfloat16; `random` has 16 bits. NaN and infinities stay what they are.
TONGUEFORGE_ANYWHERE uint16_t stochastic_bfloat16(float x, uint32_t random) {
  const uint32_t bits = bits_of(x);
  if ((bits & 0x7f800000u) != 0x7f800000u) return static_cast<uint16_t>((bits + random) >> 16);
  const bool is_nan = (bits & 0x7fffffu) != 0;
  return static_cast<uint16_t>((bits >> 16) | (is_nan ? 0x40u : 0u));
}

/// x -> the bits of a float16, as above; from 2^16 on infinite.
TONGUEFORGE_ANYWHERE uint16_t stochastic_float16(float x, uint32_t random) {
  constexpr uint32_t kLeastNormal = 0x38800000u, kTooLarge = 0x47800000u;  // 2^-14, 2^16
  const uint32_t bits = bits_of(x), size = bits & 0x7fffffffu, sign = (bits >> 16) & 0x8000u;
  if (size > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (size < kLeastNormal)  // steps of 2^-24
    return static_cast<uint16_t>(sign | ((static_cast<uint32_t>(fabsf(x) * 0x1p40f) + random) >> 16));
  const uint32_t rounded = size + (random >> 3);  // 13 bits fall away
  if (rounded >= kTooLarge) return static_cast<uint16_t>(sign | 0x7c00u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

}  // namespace tongueforge::kernels
