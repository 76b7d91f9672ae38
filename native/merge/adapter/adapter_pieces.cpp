#include "merge/adapter/adapter_pieces.h"

#include <algorithm>

namespace tongueforge::merge {

uint64_t LowRankPiece::granule() const {
  const auto columns = static_cast<uint64_t>(weight_.shape()[1]);
  return std::max<uint64_t>(1, columns * static_cast<uint64_t>(dtype_width(weight_.dtype())));
}

uint64_t LowRankPiece::workspace_bytes(uint64_t) const {
  return (low_rank_.a->num_elements() + low_rank_.b->num_elements()) * sizeof(double);
}

void LowRankPiece::produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace,
                           PieceSums& sums) const {
  const LowRankFactors factors = low_rank_.read();
  weight_.read_range(begin, end - begin, out);
  // The factors are read again for every chunk, and counted for one.
  sums.bytes_read += end - begin + (begin == 0 ? low_rank_.num_bytes() : 0);
  for (uint64_t row = begin / granule(); row < end / granule(); ++row) {
    if (row % 64 == 0) workspace.check();
    char* const data = out + (row * granule() - begin);
    merge_low_rank_row(factors, row, weight_.dtype(), data, data, sums.rounding);
  }
}

void ReplacedPiece::produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace,
                            PieceSums& sums) const {
  const uint64_t first = begin / width(), count = (end - begin) / width();
  const auto from_width = static_cast<uint64_t>(dtype_width(from_.dtype()));
  char* const bytes = workspace.buffer(0, count * from_width);
  from_.read_range(first * from_width, count * from_width, bytes);
  sums.bytes_read += count * from_width;
  convert_floats(from_.dtype(), bytes, dtype_, out, count);
}

}  // namespace tongueforge::merge
