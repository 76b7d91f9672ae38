#include "merge/low_rank_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/instructions.h"

#define TONGUEFORGE_INLINE inline __attribute__((always_inline))

namespace tongueforge::merge {
namespace {

constexpr size_t kTile = 512;  // columns at a time: 4 KB of sums, which stay in the first-level cache

size_t width(DType dtype) { return dtype == DType::F32 ? 4 : 2; }

float load(DType dtype, const unsigned char* from) {
  if (dtype == DType::F32) {
    float value;
    std::memcpy(&value, from, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, from, 2);
  return dtype == DType::BF16 ? bf16_to_float(bits) : f16_to_float(bits);
}

// Returns what was stored, widened again.
float store(DType dtype, float value, unsigned char* to) {
  if (dtype == DType::F32) {
    std::memcpy(to, &value, 4);
    return value;
  }
  const uint16_t bits = dtype == DType::BF16 ? float_to_bf16(value) : float_to_f16(value);
  std::memcpy(to, &bits, 2);
  return dtype == DType::BF16 ? bf16_to_float(bits) : f16_to_float(bits);
}

// sums[j] = sum over r of b[r] * a[r, first + j]: the hot loop, made for both instruction sets.
TONGUEFORGE_INLINE void product(const double* b, const double* a, size_t rank, size_t columns, size_t first,
                                double* sums) {
  const size_t count = std::min(kTile, columns - first);
  std::fill(sums, sums + kTile, 0.0);
  for (size_t r = 0; r < rank; ++r)
    for (size_t j = 0; j < count; ++j) sums[j] += b[r] * a[r * columns + first + j];
}

void product_any(const double* b, const double* a, size_t rank, size_t columns, size_t first, double* sums) {
  product(b, a, rank, columns, first, sums);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"), optimize("O3"))) void product_avx2(const double* b, const double* a,
                                                                      size_t rank, size_t columns,
                                                                      size_t first, double* sums) {
  product(b, a, rank, columns, first, sums);
}
bool has_avx2() { return instructions() != Instructions::Any; }
#else
void product_avx2(const double* b, const double* a, size_t rank, size_t columns, size_t first, double* sums) {
  product(b, a, rank, columns, first, sums);
}
bool has_avx2() { return false; }
#endif

void note(double exact, float stored, RoundingSums& sums) {
  const double error = std::abs(static_cast<double>(stored) - exact);
  if (!std::isfinite(error)) {
    ++sums.num_nonfinite;
    return;
  }
  sums.max_error = std::max(sums.max_error, error);
  sums.max_value = std::max(sums.max_value, std::abs(exact));
  sums.sum_error += error;
  sums.sum_value += std::abs(exact);
}

}  // namespace

void RoundingSums::add(const RoundingSums& other) {
  max_error = std::max(max_error, other.max_error);
  max_value = std::max(max_value, other.max_value);
  sum_error += other.sum_error;
  sum_value += other.sum_value;
  num_nonfinite += other.num_nonfinite;
}

void merge_low_rank_row(const LowRankFactors& factors, size_t row, DType dtype, const void* weight, void* out,
                        RoundingSums& sums) {
  const auto* from = static_cast<const unsigned char*>(weight);
  auto* to = static_cast<unsigned char*>(out);
  const auto multiply = has_avx2() ? product_avx2 : product_any;
  double added[kTile];
  for (size_t first = 0; first < factors.columns; first += kTile) {
    multiply(&factors.scaled_b[row * factors.rank], factors.a.data(), factors.rank, factors.columns, first,
             added);
    const size_t count = std::min(kTile, factors.columns - first);
    for (size_t j = 0; j < count; ++j) {
      const size_t at = (first + j) * width(dtype);
      const float before = load(dtype, from + at);
      const double exact = static_cast<double>(before) + added[j];
      // Adding nothing keeps the bits: -0.0 stays.
      note(exact, store(dtype, added[j] == 0 ? before : static_cast<float>(exact), to + at), sums);
    }
  }
}

void add_low_rank(const LowRankFactors& factors, size_t row, size_t first, size_t count, float* values) {
  const auto multiply = has_avx2() ? product_avx2 : product_any;
  const double* const b = &factors.scaled_b[row * factors.rank];
  double added[kTile];
  for (size_t at = 0; at < count; at += kTile) {
    multiply(b, factors.a.data(), factors.rank, factors.columns, first + at, added);
    for (size_t j = 0; j < std::min(kTile, count - at); ++j)
      if (added[j] != 0) values[at + j] = static_cast<float>(static_cast<double>(values[at + j]) + added[j]);
  }
}

void low_rank_row(std::span<const double> row, std::span<const double> matrix, std::span<float> out) {
  const auto multiply = has_avx2() ? product_avx2 : product_any;
  double values[kTile];
  for (size_t first = 0; first < out.size(); first += kTile) {
    multiply(row.data(), matrix.data(), row.size(), out.size(), first, values);
    const size_t count = std::min(kTile, out.size() - first);
    for (size_t j = 0; j < count; ++j) out[first + j] = static_cast<float>(values[j]);
  }
}

void convert_floats(DType from_dtype, const void* from, DType to_dtype, void* to, size_t count) {
  const auto* source = static_cast<const unsigned char*>(from);
  auto* target = static_cast<unsigned char*>(to);
  for (size_t i = 0; i < count; ++i)
    store(to_dtype, load(from_dtype, source + i * width(from_dtype)), target + i * width(to_dtype));
}

}  // namespace tongueforge::merge
