#include "merge/source.h"

#include <algorithm>
#include <cstring>

#include "merge/graft/graft_kernel.h"

namespace tongueforge::merge {

Source::Source(const checkpoint::Weight& weight, RowMap rows, LowRankSource low_rank)
    : weight_(weight),
      rows_(std::move(rows)),
      low_rank_(low_rank),
      shape_(weight.shape()),
      num_elements_(weight.info->num_elements()) {
  map_rows();
}

Source::Source(ReadValues values, std::vector<int64_t> shape, RowMap rows)
    : values_(std::move(values)), rows_(std::move(rows)), shape_(std::move(shape)), num_elements_(1) {
  for (const int64_t size : shape_) num_elements_ *= static_cast<uint64_t>(size);
  map_rows();
}

Source Source::zeros(std::vector<int64_t> shape) { return Source(nullptr, std::move(shape)); }

void Source::map_rows() {
  if (!rows_ && !low_rank_) return;
  row_elements_ = num_elements_ / static_cast<uint64_t>(std::max<int64_t>(1, shape_.at(0)));
  if (!rows_) return;
  shape_[0] = static_cast<int64_t>(rows_->size());
  num_elements_ = rows_->size() * row_elements_;
}

uint64_t Source::read_raw(uint64_t first, uint64_t count, char* to) const {
  return rows_ ? read_mapped(first, count, to) : read_stored(first, count, to);
}

/// Without regard to the map.
uint64_t Source::read_stored(uint64_t first, uint64_t count, char* to) const {
  const auto width = static_cast<uint64_t>(dtype_width(dtype()));
  if (weight_.info) {
    weight_.read_range(first * width, count * width, to);
  } else if (values_) {
    values_(first, count, reinterpret_cast<float*>(to));
  } else {
    std::memset(to, 0, count * width);
    return 0;
  }
  return count * width;
}

// Runs of neighbouring rows are read at once.
uint64_t Source::read_mapped(uint64_t first, uint64_t count, char* to) const {
  const auto width = static_cast<uint64_t>(dtype_width(dtype()));
  const auto& rows = *rows_;
  uint64_t bytes_read = 0;
  for (const uint64_t end = first + count; first < end;) {
    uint64_t row = first / row_elements_;
    const uint64_t column = first % row_elements_;
    const int32_t begin = rows[row];
    uint64_t stop = (row + 1) * row_elements_;
    for (++row; stop < end; ++row, stop += row_elements_) {
      const bool goes_on = begin < 0 ? rows[row] < 0 : rows[row] == rows[row - 1] + 1;
      if (!goes_on) break;
    }
    const uint64_t part = std::min(stop, end) - first;
    if (begin < 0) {
      std::memset(to, 0, part * width);
    } else {
      bytes_read += read_stored(static_cast<uint64_t>(begin) * row_elements_ + column, part, to);
    }
    to += part * width;
    first += part;
  }
  return bytes_read;
}

uint64_t Source::read_floats(uint64_t first, uint64_t count, float* to, char* scratch) const {
  const bool plain = dtype() == DType::F32;
  const uint64_t bytes_read = read_raw(first, count, plain ? reinterpret_cast<char*>(to) : scratch);
  if (!plain) to_floats(dtype(), scratch, to, count);
  if (low_rank_) add_low_rank(first, count, to);
  return bytes_read;
}

void Source::add_low_rank(uint64_t first, uint64_t count, float* to) const {
  const LowRankFactors factors = low_rank_.read();
  for (const uint64_t end = first + count; first < end;) {
    const uint64_t row = first / row_elements_, column = first % row_elements_;
    const uint64_t part = std::min(row_elements_ - column, end - first);
    const int64_t of_input = rows_ ? (*rows_)[row] : static_cast<int64_t>(row);
    if (of_input >= 0) merge::add_low_rank(factors, static_cast<size_t>(of_input), column, part, to);
    to += part;
    first += part;
  }
}

}  // namespace tongueforge::merge
