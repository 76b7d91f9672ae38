#include "merge/graft/graft_kernel.h"

#include "merge/graft/graft_bits.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using merge::GraftSums;

namespace {

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
