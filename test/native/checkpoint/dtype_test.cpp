#include <cmath>
#include <cstring>
#include <limits>

#include "core/dtype.h"
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;

namespace {

/// Rounds to a float format by its definition: `digits` of precision, steps of 2^min_exponent at the bottom.
/// Slow and obvious; the default rounding of nearbyint is to nearest even.
double rounded(double value, int digits, int min_exponent, double largest) {
  if (value == 0 || !std::isfinite(value)) return value;
  int exponent;
  std::frexp(value, &exponent);
  const int step = std::max(exponent - digits, min_exponent);
  const double result = std::ldexp(std::nearbyint(std::ldexp(value, -step)), step);
  return std::fabs(result) > largest ? std::copysign(std::numeric_limits<double>::infinity(), value) : result;
}

double as_half(float value) { return rounded(value, 11, -24, 65504.0); }
double as_bfloat(float value) { return rounded(value, 8, -133, 0x1.fep127); }

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }

}  // namespace

TEST_CASE("the 22 dtypes have names that lead back to them") {
  for (const DType dtype : all_dtypes()) {
    CHECK(dtype_from_name(dtype_name(dtype)) == dtype);
    CHECK(dtype_bits(dtype) >= 4);
  }
  CHECK_FALSE(dtype_from_name("bf16"));
  CHECK_FALSE(dtype_from_name(""));
}

TEST_CASE("every bfloat16 and every half survives the way to float32 and back, NaNs quiet") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto narrow = static_cast<uint16_t>(bits);
    const bool bf16_nan = (bits & 0x7fff) > 0x7f80, f16_nan = (bits & 0x7fff) > 0x7c00;
    REQUIRE(float_to_bf16(bf16_to_float(narrow)) == (bf16_nan ? bits | 0x40 : bits));
    REQUIRE(float_to_f16(f16_to_float(narrow)) == (f16_nan ? bits | 0x200 : bits));
  }
}

TEST_CASE("halves have the value of their fields") {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const int exponent = static_cast<int>(bits >> 10), fraction = static_cast<int>(bits & 0x3ff);
    const double value = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
    REQUIRE(f16_to_float(static_cast<uint16_t>(bits)) == value);
    REQUIRE(f16_to_float(static_cast<uint16_t>(bits | 0x8000)) == -value);
  }
  CHECK(std::isinf(f16_to_float(0x7c00)));
  CHECK(std::isnan(f16_to_float(0x7c01)));
}

TEST_CASE("rounding to 16 bits is to nearest even, whatever the float") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (int i = 0; i < 300'000; ++i) {
    auto bits = static_cast<uint32_t>(random.engine());
    if (i % 3 == 1) bits = (bits & 0x8fffffffu) | 0x30000000u;  // around the subnormal halves
    if (i % 3 == 2) bits &= 0xfffff000u | (i % 2 ? 0u : 1u);    // exact ties and their neighbours
    const float value = std::bit_cast<float>(bits);
    if (std::isnan(value)) {
      REQUIRE(std::isnan(bf16_to_float(float_to_bf16(value))));
      REQUIRE(std::isnan(f16_to_float(float_to_f16(value))));
      continue;
    }
    INFO("bits ", bits);
    REQUIRE(bf16_to_float(float_to_bf16(value)) == as_bfloat(value));
    REQUIRE(f16_to_float(float_to_f16(value)) == as_half(value));
    REQUIRE((float_to_f16(value) >> 15) == (bits >> 31));
  }
}

TEST_CASE("a NaN keeps its sign and the upper part of its payload") {
  CHECK(float_to_bf16(std::bit_cast<float>(0xffa50001u)) == 0xffe5);
  CHECK(float_to_bf16(std::bit_cast<float>(0x7f800001u)) == 0x7fc0);
  CHECK(float_to_f16(std::bit_cast<float>(0xff812000u)) == 0xfe09);
  CHECK(bits_of(f16_to_float(0xfd23)) == 0xffe46000u);  // 0x7d23 | quiet
}
