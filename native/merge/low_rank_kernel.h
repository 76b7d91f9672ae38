// The arithmetic of merging an adapter on raw memory: out = weight + scale * B A.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/dtype.h"

namespace tongueforge::merge {

/// Row-major factors in double; A is (rank, columns), B (rows, rank) with the scale already in it.
struct LowRankFactors {
  std::vector<double> a, scaled_b;
  size_t rank = 0, columns = 0;
};

/// Start from zeros and add row after row.
struct RoundingSums {
  double max_error = 0, max_value = 0;  // |out - exact| and |exact|, exact = weight + scale * B A in double
  double sum_error = 0, sum_value = 0;
  uint64_t num_nonfinite = 0;

  void add(const RoundingSums& other);
};

/// Row `row` of the weight (BF16, F16 or F32; `out` may be `weight` itself): the sum in double, rounded once
/// to `dtype` (16-bit types by way of float32). No memory needs alignment.
void merge_low_rank_row(const LowRankFactors& factors, size_t row, DType dtype, const void* weight, void* out,
                        RoundingSums& sums);

/// values[i] += row `row` of scale * B A, columns first .. first + count - 1: the sum in double, rounded
/// once.
void add_low_rank(const LowRankFactors& factors, size_t row, size_t first, size_t count, float* values);

/// A row (rank) times a matrix (rank, columns): summed in double, rounded once to `out` (columns).
void low_rank_row(std::span<const double> row, std::span<const double> matrix, std::span<float> out);

/// `count` values of one float dtype as another; both of BF16, F16, F32. Widening is exact, narrowing rounds
/// once.
void convert_floats(DType from_dtype, const void* from, DType to_dtype, void* to, size_t count);

}  // namespace tongueforge::merge
