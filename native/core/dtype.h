// The 22 element types of safetensors: names, widths, and exact conversions between float32 and the 16-bit
// floats.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tongueforge {

/// In the reference writer's order: the widest types come last, and a file stores its tensors from the last
/// type to the first so that every tensor is aligned to its own width.
enum class DType : uint8_t {
  BOOL,
  F4,
  F6_E2M3,
  F6_E3M2,
  U8,
  I8,
  F8_E5M2,
  F8_E4M3,
  F8_E8M0,
  F8_E4M3FNUZ,
  F8_E5M2FNUZ,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64
};

inline constexpr int kNumDTypes = 22;

/// The name that stands in a header: "BF16".
const char* dtype_name(DType dtype);

/// Bits of one element: 4, 6, 8, 16, 32 or 64.
int dtype_bits(DType dtype);

/// Bytes of one element; 0 for those of less than a byte.
inline int dtype_width(DType dtype) { return dtype_bits(dtype) / 8; }

/// Floating point or complex: the types that may hold a NaN, or that a merge would have to average.
bool dtype_is_float(DType dtype);

/// The type of a header's name, case-sensitive as the format is; nothing for a name it does not know.
std::optional<DType> dtype_from_name(std::string_view name);

/// All 22 in the order of the enum.
const std::array<DType, kNumDTypes>& all_dtypes();

// ---- bfloat16: the upper half of a float32 ----

inline float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

/// Rounds to nearest, ties to even; a NaN keeps its sign and upper payload and is made quiet.
inline uint16_t float_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t quiet = (bits >> 16) | 0x40u;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

// ---- IEEE half precision: 5 exponent bits, 10 fraction bits ----
// Every case is computed and one is chosen by its mask: a compiler may not speculate on float arithmetic
// behind a condition, and with a branch a loop over either would not become vector code.

inline uint32_t choose(bool condition, uint32_t yes, uint32_t no) {
  const uint32_t mask = 0u - static_cast<uint32_t>(condition);
  return (yes & mask) | (no & ~mask);
}

/// Exact, subnormals included; a signalling NaN becomes quiet.
inline float f16_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t magnitude = bits & 0x7fffu;
  // Shifted into place, the exponent is 112 too small: adding it puts normal numbers right and Inf/NaN
  // halfway.
  const uint32_t normal = (magnitude << 13) + (112u << 23);
  const uint32_t special = (magnitude << 13) | 0x7f800000u | choose(magnitude > 0x7c00u, 0x400000u, 0u);
  // A subnormal is its fraction times 2^-24, which float32 holds exactly.
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
  const uint32_t finite = choose(magnitude < 0x400u, subnormal, normal);
  return std::bit_cast<float>(sign | choose(magnitude >= 0x7c00u, special, finite));
}

/// Rounds to nearest, ties to even, subnormals included; too large becomes infinity; a NaN is made quiet.
inline uint16_t float_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // Adding 0.5 lines the sum up so that its last bit weighs 2^-24, the step of half's subnormals:
  // the addition itself rounds to nearest even.
  const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t quiet = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  uint32_t half = choose(magnitude < 0x38800000u, subnormal, normal);
  half = choose(magnitude >= 0x477ff000u, 0x7c00u,
                half);  // 65520 is the tie between the largest half and infinity
  half = choose(magnitude > 0x7f800000u, quiet, half);
  return static_cast<uint16_t>(sign | half);
}

// ---- float8 E4M3 (the finite kind): 4 exponent bits, 3 fraction bits, no infinity ----

/// Exact; 0x7f and 0xff are NaN.
inline float f8_e4m3_to_float(uint8_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80u) << 24;
  const uint32_t magnitude = bits & 0x7fu;
  const uint32_t normal = (magnitude << 20) + (120u << 23);
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-9f);
  const uint32_t finite = choose(magnitude < 8u, subnormal, normal);
  return std::bit_cast<float>(sign | choose(magnitude == 0x7fu, 0x7fc00000u, finite));
}

}  // namespace tongueforge
