#include "merge/source.h"

#include <algorithm>
#include <cstring>

#include "merge/graft_kernel.h"

namespace tongueforge::merge {

Source::Source(const checkpoint::Weight& weight, RowMap rows)
    : weight_(weight),
      rows_(std::move(rows)),
      shape_(weight.shape()),
      num_elements_(weight.info->num_elements()) {
  if (!rows_) return;
  const auto num_rows = static_cast<uint64_t>(std::max<int64_t>(1, shape_.at(0)));
  row_elements_ = num_elements_ / num_rows;
  shape_[0] = static_cast<int64_t>(rows_->size());
  num_elements_ = rows_->size() * row_elements_;
}

uint64_t Source::read_raw(uint64_t first, uint64_t count, char* to) const {
  if (rows_) return read_mapped(first, count, to);
  const auto width = static_cast<uint64_t>(dtype_width(dtype()));
  weight_.read_range(first * width, count * width, to);
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
      const uint64_t at = static_cast<uint64_t>(begin) * row_elements_ + column;
      weight_.read_range(at * width, part * width, to);
      bytes_read += part * width;
    }
    to += part * width;
    first += part;
  }
  return bytes_read;
}

uint64_t Source::read_floats(uint64_t first, uint64_t count, float* to, char* scratch) const {
  if (dtype() == DType::F32) return read_raw(first, count, reinterpret_cast<char*>(to));
  const uint64_t bytes_read = read_raw(first, count, scratch);
  to_floats(dtype(), scratch, to, count);
  return bytes_read;
}

}  // namespace tongueforge::merge
