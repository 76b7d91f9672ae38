#include "merge/graft/graft_kernel.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "../../checkpoint/fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using merge::graft_span;
using merge::GraftSums;

namespace {

constexpr DType kTypes[] = {DType::BF16, DType::F16, DType::F32};

size_t width(DType dtype) { return static_cast<size_t>(dtype_bits(dtype) / 8); }

uint32_t bits_at(DType dtype, const std::string& bytes, size_t i) {
  uint32_t bits = 0;
  std::memcpy(&bits, bytes.data() + i * width(dtype), width(dtype));
  return bits;
}

float value_of(DType dtype, uint32_t bits) {
  if (dtype == DType::F32) return std::bit_cast<float>(bits);
  return dtype == DType::BF16 ? bf16_to_float(static_cast<uint16_t>(bits))
                              : f16_to_float(static_cast<uint16_t>(bits));
}

float value_at(DType dtype, const std::string& bytes, size_t i) {
  return value_of(dtype, bits_at(dtype, bytes, i));
}

std::string any_bits(Seeded& random, DType dtype, size_t count) {
  std::string bytes(count * width(dtype), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.engine());
  return bytes;
}

/// Random values with exponents in a small range, where long double holds target + scale * d exactly.
std::string tame_bits(Seeded& random, DType dtype, size_t count) {
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

std::string graft(const Case& c, float scale, GraftSums& sums) {
  std::string out(c.target.size(), '\0');
  graft_span({c.target_dtype, c.base_dtype, c.chat_dtype, c.target.data(), c.base.data(), c.chat.data(),
              out.data(), c.count},
             scale, sums);
  return out;
}

std::string graft(const Case& c, float scale) {
  GraftSums sums;
  return graft(c, scale, sums);
}

void for_all_types(const std::function<void(DType, DType, DType)>& check) {
  for (const DType target : kTypes) {
    for (const DType base : kTypes) {
      for (const DType chat : kTypes) {
        INFO(dtype_name(target), " target, ", dtype_name(base), " base, ", dtype_name(chat), " chat");
        check(target, base, chat);
      }
    }
  }
}

/// The nearest value with so many digits, in long double: rounding by definition.
long double nearest(long double value, int digits, int min_exponent) {
  if (value == 0) return value;
  int exponent;
  std::frexp(value, &exponent);
  const int step = std::max(exponent - digits, min_exponent);
  return std::ldexp(std::nearbyint(std::ldexp(value, -step)), step);
}

/// Half the distance between neighbours at a value, for a dtype.
double half_step(DType dtype, double value) {
  const int digits = dtype == DType::F32 ? 24 : dtype == DType::BF16 ? 8 : 11;
  const int lowest = dtype == DType::F32 ? -149 : dtype == DType::BF16 ? -133 : -24;
  int exponent;
  std::frexp(value, &exponent);
  return std::ldexp(0.5, value == 0 ? lowest : std::max(exponent - digits, lowest));
}

}  // namespace

TEST_CASE("equal base and chat leave every bit of the target, also -0.0 and the payloads of NaNs") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for_all_types([&](DType target, DType base, DType) {
    Case c{target, base, base, any_bits(random, target, 1500), tame_bits(random, base, 1500), {}, 1500};
    c.chat = c.base;
    const uint32_t minus_zero = 1u << (width(target) * 8 - 1);
    std::memcpy(c.target.data(), &minus_zero, width(target));
    GraftSums sums;
    CHECK(graft(c, 0.7f, sums) == c.target);
    CHECK(sums.num_changed == 0);
    CHECK(sums.delta_squared == 0);
  });
}

TEST_CASE("at scale 0 every bit of the target stays, whatever the difference") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for_all_types([&](DType target, DType base, DType chat) {
    const Case c{target,
                 base,
                 chat,
                 any_bits(random, target, 700),
                 any_bits(random, base, 700),
                 any_bits(random, chat, 700),
                 700};
    CHECK(graft(c, 0.0f) == c.target);
    CHECK(graft(c, -0.0f) == c.target);
  });
}

TEST_CASE("the result is the rounding of the exact sum, by long double arithmetic") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for_all_types([&](DType target, DType base, DType chat) {
    const Case c{target,
                 base,
                 chat,
                 tame_bits(random, target, 2000),
                 tame_bits(random, base, 2000),
                 tame_bits(random, chat, 2000),
                 2000};
    const float scale = 1.0f + static_cast<float>(random.below(1 << 23)) * 0x1p-23f;
    const std::string out = graft(c, scale);
    for (size_t i = 0; i < c.count; ++i) {
      const long double d =
          nearest(static_cast<long double>(value_at(chat, c.chat, i)) - value_at(base, c.base, i), 24, -149);
      const long double exact = value_at(target, c.target, i) + scale * d;
      long double expected =
          nearest(exact, target == DType::F32 ? 53 : 24, target == DType::F32 ? -1074 : -149);
      expected = nearest(expected,
                         target == DType::F32    ? 24
                         : target == DType::BF16 ? 8
                                                 : 11,
                         target == DType::F16 ? -24 : -133);
      REQUIRE(static_cast<long double>(value_at(target, out, i)) == expected);
    }
  });
}

TEST_CASE("the definition holds for all bit patterns: infinities, NaNs, subnormals") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for_all_types([&](DType target, DType base, DType chat) {
    const Case c{target,
                 base,
                 chat,
                 any_bits(random, target, 3000),
                 any_bits(random, base, 3000),
                 any_bits(random, chat, 3000),
                 3000};
    const float scale = -0.37f;
    GraftSums sums;
    const std::string out = graft(c, scale, sums);
    uint64_t nonfinite = 0;
    for (size_t i = 0; i < c.count; ++i) {
      const float t = value_at(target, c.target, i),
                  d = value_at(chat, c.chat, i) - value_at(base, c.base, i);
      const float sum = target == DType::F32
                            ? static_cast<float>(static_cast<double>(t) +
                                                 static_cast<double>(scale) * static_cast<double>(d))
                            : std::fma(scale, d, t);
      const uint32_t rounded = target == DType::F32    ? std::bit_cast<uint32_t>(sum)
                               : target == DType::BF16 ? float_to_bf16(sum)
                                                       : float_to_f16(sum);
      const float got = value_at(target, out, i);
      nonfinite += !std::isfinite(got);
      if (std::isnan(sum)) {
        REQUIRE(std::isnan(got));
      } else {
        REQUIRE(bits_at(target, out, i) == (d == 0 ? bits_at(target, c.target, i) : rounded));
      }
    }
    CHECK(sums.num_nonfinite == nonfinite);
  });
}

TEST_CASE("with the base as target and scale 1 the result is the chat model, within the law's bound") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const DType dtype : kTypes) {
    INFO(dtype_name(dtype));
    Case c{dtype, dtype, dtype, tame_bits(random, dtype, 20'000), {}, tame_bits(random, dtype, 20'000),
           20'000};
    c.base = c.target;
    const std::string out = graft(c, 1.0f);
    for (size_t i = 0; i < c.count; ++i) {
      const double b = value_at(dtype, c.base, i), chat = value_at(dtype, c.chat, i),
                   got = value_at(dtype, out, i);
      const double d = static_cast<float>(chat) - static_cast<float>(b);
      REQUIRE(std::fabs(got - chat) <= half_step(DType::F32, d) + half_step(dtype, got));
    }
  }
}

TEST_CASE(
    "splitting a tensor at blocks changes neither bytes nor sums, and lengths need not be whole blocks") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const size_t count : {size_t{1}, size_t{511}, size_t{512}, size_t{513}, size_t{2000}}) {
    const Case c{DType::BF16,
                 DType::F16,
                 DType::F32,
                 tame_bits(random, DType::BF16, count),
                 tame_bits(random, DType::F16, count),
                 tame_bits(random, DType::F32, count),
                 count};
    GraftSums whole, parts;
    const std::string expected = graft(c, 0.5f, whole);
    std::string out = c.target;  // in place
    for (size_t at = 0; at < count; at += merge::kGraftBlock) {
      graft_span({c.target_dtype, c.base_dtype, c.chat_dtype, out.data() + at * 2, c.base.data() + at * 2,
                  c.chat.data() + at * 4, out.data() + at * 2, std::min(merge::kGraftBlock, count - at)},
                 0.5f, parts);
    }
    CHECK(out == expected);
    CHECK(parts.delta_squared == whole.delta_squared);
    CHECK(parts.target_squared == whole.target_squared);
    CHECK(parts.num_changed == whole.num_changed);
  }
}

TEST_CASE("the sums are those of the values") {
  const std::string target("\0\0\x80\x3f\0\0\0\x40", 8), base("\0\0\0\0\0\0\0\0", 8),
      chat("\0\0\x40\x40\0\0\0\0", 8);
  GraftSums sums;  // target 1, 2; d = 3, 0
  graft({DType::F32, DType::F32, DType::F32, target, base, chat, 2}, 1.0f, sums);
  CHECK(sums.delta_squared == 9);
  CHECK(sums.target_squared == 5);
  CHECK(sums.num_changed == 1);
  CHECK(sums.num_nonfinite == 0);
}

// ---- the halves, several deltas, float8 ----

TEST_CASE("subtract_span and add_span are the two halves of graft_span, bit for bit") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for_all_types([&](DType target, DType base, DType chat) {
    const size_t count = 1 + random.below(1300);
    const Case c{target,
                 base,
                 chat,
                 any_bits(random, target, count),
                 any_bits(random, base, count),
                 any_bits(random, chat, count),
                 count};
    for (const float scale : {0.0f, 1.0f, -0.37f}) {
      GraftSums whole, halves;
      const std::string expected = graft(c, scale, whole);
      std::vector<float> delta(count);
      std::string out(c.target.size(), '\0');
      merge::subtract_span(base, c.base.data(), chat, c.chat.data(), delta.data(), count);
      merge::add_span(target, c.target.data(), delta.data(), scale, out.data(), count, halves);
      CHECK(out == expected);
      CHECK(std::memcmp(&whole, &halves, sizeof whole) == 0);
    }
  });
}

TEST_CASE("several deltas are added exactly and rounded once") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const DType dtype : kTypes) {
    const size_t count = 1 + random.below(1300);
    const std::string target = tame_bits(random, dtype, count);
    std::vector<std::vector<float>> deltas(3, std::vector<float>(count));
    for (auto& values : deltas)
      for (size_t i = 0; i < count; ++i)
        values[i] = value_at(DType::BF16, tame_bits(random, DType::BF16, 1), 0);
    const merge::ScaledDelta scaled[] = {
        {deltas[0].data(), 0.5f}, {deltas[1].data(), -0.25f}, {deltas[2].data(), 0.7f}};
    std::string out(target.size(), '\0');
    GraftSums sums;
    merge::add_many_span(dtype, target.data(), scaled, 3, out.data(), count, sums);
    for (size_t i = 0; i < count; ++i) {
      long double exact = value_at(dtype, target, i);
      for (const auto& [values, scale] : scaled)
        exact += static_cast<long double>(scale) * static_cast<long double>(values[i]);
      const auto rounded = static_cast<float>(exact);
      const uint32_t expected = dtype == DType::F32    ? std::bit_cast<uint32_t>(rounded)
                                : dtype == DType::BF16 ? float_to_bf16(rounded)
                                                       : float_to_f16(rounded);
      REQUIRE(bits_at(dtype, out, i) == expected);
    }
  }
}

TEST_CASE("deltas of zero keep every bit of the target, and do not change what the others give") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const DType dtype : kTypes) {
    const size_t count = 1 + random.below(1300);
    const std::string target = any_bits(random, dtype, count);
    const std::vector<float> none(count);
    const merge::ScaledDelta nothing[] = {{none.data(), 1.0f}, {none.data(), -2.0f}};
    std::string out(target.size(), '\0');
    GraftSums sums;
    merge::add_many_span(dtype, target.data(), nothing, 2, out.data(), count, sums);
    CHECK(out == target);
    CHECK(sums.num_changed == 0);
  }
}

TEST_CASE("float8 values are read exactly") {
  for (unsigned bits = 0; bits < 256; ++bits) {
    const int exponent = (bits >> 3) & 15, fraction = bits & 7;
    const float magnitude = exponent == 0
                                ? std::ldexp(static_cast<float>(fraction), -9)
                                : std::ldexp(1.0f + static_cast<float>(fraction) / 8.0f, exponent - 7);
    const float expected = bits & 0x80 ? -magnitude : magnitude;
    const float value = f8_e4m3_to_float(static_cast<uint8_t>(bits));
    if ((bits & 0x7f) == 0x7f) {
      CHECK(std::isnan(value));
    } else {
      CHECK(std::bit_cast<uint32_t>(value) == std::bit_cast<uint32_t>(expected));
    }
  }
  std::string e4m3(256, '\0'), e5m2(256, '\0'), zeros(256, '\0');
  for (int i = 0; i < 256; ++i)
    e4m3[static_cast<size_t>(i)] = e5m2[static_cast<size_t>(i)] = static_cast<char>(i);
  std::vector<float> delta(256);
  merge::subtract_span(DType::F8_E4M3, zeros.data(), DType::F8_E5M2, e5m2.data(), delta.data(), 256);
  for (unsigned i = 0; i < 256; ++i) {
    const float expected = f16_to_float(static_cast<uint16_t>(i << 8));
    CHECK((delta[i] == expected || (std::isnan(delta[i]) && std::isnan(expected))));
  }
  merge::subtract_span(DType::F8_E5M2, zeros.data(), DType::F8_E4M3, e4m3.data(), delta.data(), 256);
  CHECK(delta[0x38] == 1.0f);
  CHECK(delta[0xfe] == -448.0f);
}
