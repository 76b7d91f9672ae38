// The arithmetic of merging an adapter: the exact sum, rounded once.
#include "merge/low_rank_kernel.h"

#include <cmath>
#include <cstring>
#include <random>

#include "doctest.h"

using namespace tongueforge;

namespace {

struct Case {
  merge::LowRankFactors factors;
  std::vector<float> weight;
  size_t rows;
};

Case random_case(uint32_t seed, size_t rows, size_t columns, size_t rank) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Case c{{{}, {}, rank, columns}, {}, rows};
  for (size_t i = 0; i < rank * columns; i++) c.factors.a.push_back(normal(random));
  for (size_t i = 0; i < rows * rank; i++) c.factors.scaled_b.push_back(0.1 * normal(random));
  for (size_t i = 0; i < rows * columns; i++) c.weight.push_back(normal(random));
  return c;
}

long double exact(const Case& c, size_t row, size_t column, float weight) {
  long double sum = weight;
  for (size_t r = 0; r < c.factors.rank; r++)
    sum += static_cast<long double>(c.factors.scaled_b[row * c.factors.rank + r]) *
           static_cast<long double>(c.factors.a[r * c.factors.columns + column]);
  return sum;
}

}  // namespace

TEST_CASE("every merged float32 weight is the exact sum within half a unit in the last place") {
  for (const size_t columns : {1, 7, 511, 512, 513, 1500}) {
    const auto c = random_case(static_cast<uint32_t>(columns), 3, columns, 5);
    auto out = c.weight;
    merge::RoundingSums sums;
    for (size_t row = 0; row < c.rows; row++)
      merge::merge_low_rank_row(c.factors, row, DType::F32, &c.weight[row * columns], &out[row * columns],
                                sums);
    for (size_t i = 0; i < out.size(); i++) {
      const long double expected = exact(c, i / columns, i % columns, c.weight[i]);
      const float ulp = std::nextafter(std::abs(out[i]), INFINITY) - std::abs(out[i]);
      REQUIRE(std::abs(static_cast<long double>(out[i]) - expected) <=
              0.5001L * static_cast<long double>(ulp));
    }
    CHECK(sums.max_error > 0);
    CHECK(sums.max_error <= 6e-8 * sums.max_value);
    CHECK(sums.num_nonfinite == 0);
  }
}

TEST_CASE("a bfloat16 weight is rounded once, and the rounding is told") {
  const auto c = random_case(1, 1, 600, 4);
  std::vector<uint16_t> weight(600), out(600);
  for (size_t i = 0; i < 600; i++) weight[i] = float_to_bf16(c.weight[i]);
  merge::RoundingSums sums;
  merge::merge_low_rank_row(c.factors, 0, DType::BF16, weight.data(), out.data(), sums);
  for (size_t i = 0; i < 600; i++)
    REQUIRE(out[i] == float_to_bf16(static_cast<float>(exact(c, 0, i, bf16_to_float(weight[i])))));
  CHECK(sums.max_error <= sums.max_value / 256);
  CHECK(sums.max_error > sums.max_value / 4096);
}

TEST_CASE("adding nothing keeps the bits, -0.0 too; infinities are counted") {
  auto c = random_case(2, 1, 4, 2);
  std::fill(c.factors.scaled_b.begin(), c.factors.scaled_b.end(), 0.0);
  const std::vector<float> weight = {-0.0f, 0.0f, 1.5f, INFINITY};
  auto out = std::vector<float>(4, 7.0f);
  merge::RoundingSums sums;
  merge::merge_low_rank_row(c.factors, 0, DType::F32, weight.data(), out.data(), sums);
  CHECK(std::memcmp(out.data(), weight.data(), 16) == 0);
  CHECK(sums.num_nonfinite == 1);
}

TEST_CASE("floats convert between the three types: wider exactly, narrower rounded once") {
  const std::vector<float> values = {1.0f, -0.0f, 3.14159f, 65504.0f, 1e-8f};
  for (const DType dtype : {DType::BF16, DType::F16, DType::F32}) {
    std::vector<uint32_t> narrow(5);
    std::vector<float> back(5);
    merge::convert_floats(DType::F32, values.data(), dtype, narrow.data(), 5);
    merge::convert_floats(dtype, narrow.data(), DType::F32, back.data(), 5);
    for (size_t i = 0; i < 5; i++) {
      const float expected = dtype == DType::BF16  ? bf16_to_float(float_to_bf16(values[i]))
                             : dtype == DType::F16 ? f16_to_float(float_to_f16(values[i]))
                                                   : values[i];
      CHECK(back[i] == expected);
    }
  }
}
