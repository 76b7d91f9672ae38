#include "merge/methods/torch_sum.h"

#include <algorithm>
#include <array>
#include <bit>

namespace tongueforge::merge {
namespace {

constexpr size_t kLanes = 8;    // floats of a register
constexpr size_t kColumns = 4;  // running sums side by side
constexpr size_t kLevels = 4;

/// Sums of N columns: runs of rows are added up, then runs of such sums, and so on for four levels, so that
/// numbers of about one size meet.
template <size_t N>
class Cascade {
 public:
  explicit Cascade(size_t num_rows) : num_rows_(num_rows) {
    const size_t digits = num_rows <= 2 ? 1 : static_cast<size_t>(std::bit_width(num_rows - 1));
    power_ = std::max<size_t>(4, digits / kLevels);
  }

  /// load(row, column) for all rows; the sum of each column.
  template <class Load>
  std::array<float, N> sum(const Load& load) {
    const size_t run = size_t{1} << power_;
    size_t row = 0;
    while (row + run <= num_rows_) {
      for (const size_t end = row + run; row < end; ++row) add(row, load);
      carry(row);
    }
    for (; row < num_rows_; ++row) add(row, load);
    for (size_t level = 1; level < kLevels; ++level)
      for (size_t k = 0; k < N; ++k) sums_[0][k] += sums_[level][k];
    return sums_[0];
  }

 private:
  template <class Load>
  void add(size_t row, const Load& load) {
    for (size_t k = 0; k < N; ++k) sums_[0][k] += load(row, k);
  }

  /// After a full run: its sums go up a level, and further where that level's run is full as well.
  void carry(size_t row) {
    for (size_t level = 1; level < kLevels; ++level) {
      for (size_t k = 0; k < N; ++k) {
        sums_[level][k] += sums_[level - 1][k];
        sums_[level - 1][k] = 0;
      }
      if (row >> (level * power_) & ((size_t{1} << power_) - 1)) break;
    }
  }

  size_t num_rows_, power_;
  std::array<std::array<float, N>, kLevels> sums_{};
};

/// Rows of four items; those of the last, unfinished row go to the first column.
template <size_t Width, class Load>
std::array<float, Width> sum_of_items(size_t num_items, const Load& load) {
  const size_t num_rows = num_items / kColumns;
  auto columns = Cascade<kColumns * Width>(num_rows).sum(
      [&](size_t row, size_t k) { return load(row * kColumns + k / Width, k % Width); });
  for (size_t item = num_rows * kColumns; item < num_items; ++item)
    for (size_t lane = 0; lane < Width; ++lane) columns[lane] += load(item, lane);
  std::array<float, Width> sums;
  for (size_t lane = 0; lane < Width; ++lane) {
    sums[lane] = columns[lane];
    for (size_t column = 1; column < kColumns; ++column) sums[lane] += columns[column * Width + lane];
  }
  return sums;
}

}  // namespace

float torch_sum(const float* values, size_t size, bool wide) {
  const size_t item = wide ? kLanes : 2 * kLanes;
  if (size < item) return sum_of_items<1>(size, [&](size_t i, size_t) { return values[i]; })[0];
  const size_t num_items = size / item;
  const auto lanes = sum_of_items<kLanes>(num_items, [&](size_t i, size_t lane) {
    const float* at = values + i * item + lane;
    return wide ? *at : at[0] + at[kLanes];
  });
  float sum = 0;
  for (size_t i = num_items * item; i < size; ++i) sum += values[i];
  for (const float lane : lanes) sum += lane;
  return sum;
}

}  // namespace tongueforge::merge
