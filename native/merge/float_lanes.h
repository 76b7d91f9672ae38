// Floats of files as blocks of 32-bit lanes and back: plain loops of a fixed length, which the compiler makes
// vector code of in whatever function they are inlined into.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/dtype.h"

#define TONGUEFORGE_INLINE inline __attribute__((always_inline))

namespace tongueforge::merge::lanes {

inline constexpr size_t kBlock = 512;

TONGUEFORGE_INLINE size_t width(DType dtype) { return static_cast<size_t>(dtype_width(dtype)); }

// ---- `count` elements of memory to lanes; those past the end are zeros, which change no sum ----

TONGUEFORGE_INLINE void load_bits16(const unsigned char* from, size_t count, uint32_t* bits) {
  alignas(64) uint16_t narrow[kBlock];
  std::memcpy(narrow, from, count * 2);
  std::memset(narrow + count, 0, (kBlock - count) * 2);
  for (size_t i = 0; i < kBlock; ++i) bits[i] = narrow[i];
}

TONGUEFORGE_INLINE void load_bits32(const unsigned char* from, size_t count, uint32_t* bits) {
  std::memcpy(bits, from, count * 4);
  std::memset(bits + count, 0, (kBlock - count) * 4);
}

TONGUEFORGE_INLINE void load_bits8(const unsigned char* from, size_t count, uint32_t* bits) {
  for (size_t i = 0; i < count; ++i) bits[i] = from[i];
  std::memset(bits + count, 0, (kBlock - count) * 4);
}

/// Types of 8 and 16 bits go to the lower bits of their lanes.
TONGUEFORGE_INLINE void load_bits(DType dtype, const unsigned char* from, size_t count, uint32_t* bits) {
  switch (width(dtype)) {
    case 4:
      return load_bits32(from, count, bits);
    case 2:
      return load_bits16(from, count, bits);
    default:
      return load_bits8(from, count, bits);
  }
}

/// BF16, F16, F32, F8_E5M2 and F8_E4M3, exactly.
TONGUEFORGE_INLINE void decode(DType dtype, const uint32_t* bits, float* values) {
  if (dtype == DType::BF16) {
    for (size_t i = 0; i < kBlock; ++i) values[i] = std::bit_cast<float>(bits[i] << 16);
  } else if (dtype == DType::F16) {
    for (size_t i = 0; i < kBlock; ++i) values[i] = f16_to_float(static_cast<uint16_t>(bits[i]));
  } else if (dtype == DType::F8_E5M2) {  // half precision without its lower byte
    for (size_t i = 0; i < kBlock; ++i) values[i] = f16_to_float(static_cast<uint16_t>(bits[i] << 8));
  } else if (dtype == DType::F8_E4M3) {
    for (size_t i = 0; i < kBlock; ++i) values[i] = f8_e4m3_to_float(static_cast<uint8_t>(bits[i]));
  } else {
    std::memcpy(values, bits, kBlock * 4);
  }
}

/// BF16, F16 and F32.
TONGUEFORGE_INLINE void store_bits(DType dtype, const uint32_t* bits, size_t count, unsigned char* to) {
  if (dtype == DType::F32) {
    std::memcpy(to, bits, count * 4);
    return;
  }
  alignas(64) uint16_t narrow[kBlock];
  for (size_t i = 0; i < kBlock; ++i) narrow[i] = static_cast<uint16_t>(bits[i]);
  std::memcpy(to, narrow, count * 2);
}

}  // namespace tongueforge::merge::lanes
