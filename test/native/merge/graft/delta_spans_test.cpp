// The halves of a graft, several deltas at once, and values of 8 bits: the kernels that delta files go
// through.
#include "merge/graft/graft_bits.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using merge::GraftSums;

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

TEST_CASE("a delta that counts nothing has no part in a sum, also where it is infinite or not a number") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const float none = std::numeric_limits<float>::quiet_NaN(), huge = std::numeric_limits<float>::infinity();
  for (const DType dtype : kTypes) {
    const size_t count = 600;
    const std::string target = tame_bits(random, dtype, count);
    std::vector<float> bad(count, none), zeros(count), some(count, 0.25f);
    bad[3] = huge;
    const auto sum_with = [&](const std::vector<float>& first, const merge::ScaledDelta& second) {
      const merge::ScaledDelta both[] = {{first.data(), 0.0f}, second};
      std::string out(target.size(), '\0');
      GraftSums sums;
      merge::add_many_span(dtype, target.data(), both, 2, out.data(), count, sums);
      CHECK(sums.num_nonfinite == 0);
      return out;
    };
    CHECK(sum_with(bad, {bad.data(), -0.0f}) == target);
    CHECK(sum_with(bad, {some.data(), 0.5f}) == sum_with(zeros, {some.data(), 0.5f}));
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
