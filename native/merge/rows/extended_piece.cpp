#include "merge/rows/extended_piece.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "merge/low_rank_kernel.h"

namespace tongueforge::merge {
namespace {

// Sums rows of one tensor in double; the mean is rounded once to its dtype (16-bit types by way of float32).
class RowMean {
 public:
  RowMean(DType dtype, size_t columns) : dtype_(dtype), sums_(columns), floats_(columns) {}

  void add(const char* row) {
    convert_floats(dtype_, row, DType::F32, floats_.data(), floats_.size());
    for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += static_cast<double>(floats_[i]);
    ++count_;
  }

  /// Writes the mean and begins anew. @return the number of values that are not finite
  uint64_t take(char* row) {
    uint64_t num_nonfinite = 0;
    for (size_t i = 0; i < sums_.size(); ++i) {
      floats_[i] = static_cast<float>(sums_[i] / static_cast<double>(count_));
      num_nonfinite += !std::isfinite(floats_[i]);
    }
    convert_floats(DType::F32, floats_.data(), dtype_, row, floats_.size());
    std::fill(sums_.begin(), sums_.end(), 0.0);
    count_ = 0;
    return num_nonfinite;
  }

 private:
  DType dtype_;
  std::vector<double> sums_;
  std::vector<float> floats_;
  uint64_t count_ = 0;
};

}  // namespace

uint64_t ExtendedPiece::padding_from() const {
  const uint64_t end = static_cast<uint64_t>(rows_.first) + rows_.pieces.size();
  return std::max(end, static_cast<uint64_t>(weight_.shape()[0]));
}

uint64_t ExtendedPiece::bytes_to_read() const {
  const auto first = static_cast<uint64_t>(rows_.first),
             num_old_rows = static_cast<uint64_t>(weight_.shape()[0]);
  const uint64_t behind = first + rows_.pieces.size();
  uint64_t num_rows = first + (num_old_rows > behind ? num_old_rows - behind : 0);
  for (const auto& pieces : rows_.pieces) num_rows += pieces.size();
  if (padding_from() < static_cast<uint64_t>(rows_.num_rows)) num_rows += first;
  return num_rows * row_bytes();
}

// The mean of all rows that tokens had.
void ExtendedPiece::prepare(Workspace& workspace, PieceSums& sums) {
  if (padding_from() >= static_cast<uint64_t>(rows_.num_rows)) return;
  RowMean mean(weight_.dtype(), columns());
  padding_.resize(row_bytes());
  for (uint64_t i = 0; i < static_cast<uint64_t>(rows_.first); ++i) {
    if (i % 64 == 0) workspace.check();
    weight_.read_range(i * row_bytes(), row_bytes(), padding_.data());
    mean.add(padding_.data());
  }
  mean.take(padding_.data());
  sums.bytes_read += static_cast<uint64_t>(rows_.first) * row_bytes();
}

// Old rows, new rows, what the model had behind them, and rows that no token has.
void ExtendedPiece::produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace,
                            PieceSums& sums) const {
  for (uint64_t row = begin / row_bytes(); row < end / row_bytes(); ++row) {
    if (row % 64 == 0) workspace.check();
    produce_row(row, out + (row * row_bytes() - begin), sums);
  }
}

void ExtendedPiece::produce_row(uint64_t row, char* out, PieceSums& sums) const {
  const uint64_t token = row - static_cast<uint64_t>(rows_.first);  // wraps for the old ones
  if (token < rows_.pieces.size()) {
    RowMean mean(weight_.dtype(), columns());
    for (const int32_t id : rows_.pieces[token]) {
      weight_.read_range(static_cast<uint64_t>(id) * row_bytes(), row_bytes(), out);
      mean.add(out);
    }
    sums.bytes_read += rows_.pieces[token].size() * row_bytes();
    sums.graft.num_nonfinite += mean.take(out);
  } else if (row >= padding_from()) {
    std::memcpy(out, padding_.data(), row_bytes());
  } else {
    weight_.read_range(row * row_bytes(), row_bytes(), out);
    sums.bytes_read += row_bytes();
  }
}

}  // namespace tongueforge::merge
