// Bits of the dtypes that are merged: random ones, tame ones, their values, and the kernel over strings of
// them.
#pragma once
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>

#include "../../checkpoint/fixtures.h"
#include "merge/graft/graft_kernel.h"

namespace tongueforge::testing {

constexpr DType kTypes[] = {DType::BF16, DType::F16, DType::F32};

inline size_t width(DType dtype) { return static_cast<size_t>(dtype_bits(dtype) / 8); }

inline uint32_t bits_at(DType dtype, const std::string& bytes, size_t i) {
  uint32_t bits = 0;
  std::memcpy(&bits, bytes.data() + i * width(dtype), width(dtype));
  return bits;
}

inline float value_of(DType dtype, uint32_t bits) {
  if (dtype == DType::F32) return std::bit_cast<float>(bits);
  return dtype == DType::BF16 ? bf16_to_float(static_cast<uint16_t>(bits))
                              : f16_to_float(static_cast<uint16_t>(bits));
}

inline float value_at(DType dtype, const std::string& bytes, size_t i) {
  return value_of(dtype, bits_at(dtype, bytes, i));
}

inline std::string any_bits(Seeded& random, DType dtype, size_t count) {
  std::string bytes(count * width(dtype), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.engine());
  return bytes;
}

/// Random values with exponents in a small range, where long double holds target + scale * d exactly.
inline std::string tame_bits(Seeded& random, DType dtype, size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    const float value = std::ldexp(1.0f + static_cast<float>(random.below(1 << 23)) * 0x1p-23f,
                                   static_cast<int>(random.below(12)) - 6) *
                        (random.below(2) ? 1.0f : -1.0f);
    const uint32_t bits = dtype == DType::F32    ? std::bit_cast<uint32_t>(value)
                          : dtype == DType::BF16 ? float_to_bf16(value)
                                                 : float_to_f16(value);
    bytes.append(reinterpret_cast<const char*>(&bits), width(dtype));
  }
  return bytes;
}

struct Case {
  DType target_dtype, base_dtype, chat_dtype;
  std::string target, base, chat;
  size_t count;
};

inline std::string graft(const Case& c, float scale, merge::GraftSums& sums) {
  std::string out(c.target.size(), '\0');
  merge::graft_span({c.target_dtype, c.base_dtype, c.chat_dtype, c.target.data(), c.base.data(),
                     c.chat.data(), out.data(), c.count},
                    scale, sums);
  return out;
}

inline std::string graft(const Case& c, float scale) {
  merge::GraftSums sums;
  return graft(c, scale, sums);
}

inline void for_all_types(const std::function<void(DType, DType, DType)>& check) {
  for (const DType target : kTypes) {
    for (const DType base : kTypes) {
      for (const DType chat : kTypes) {
        INFO(dtype_name(target), " target, ", dtype_name(base), " base, ", dtype_name(chat), " chat");
        check(target, base, chat);
      }
    }
  }
}

}  // namespace tongueforge::testing
