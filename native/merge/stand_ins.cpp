#include "merge/stand_ins.h"

#include <algorithm>

#include "merge/source.h"

namespace tongueforge::merge {

void StandIns::read(int64_t row, size_t row_elements, float* to, Workspace& workspace,
                    PieceSums& sums) const {
  const auto& [rows, ends, owner_models, owner_rows] = *table_;
  std::fill(to, to + row_elements, 0.0f);
  const auto found = std::lower_bound(rows.begin(), rows.end(), static_cast<int32_t>(row));
  if (found == rows.end() || *found != row) return;
  const auto at = static_cast<size_t>(found - rows.begin());
  const auto begin = static_cast<size_t>(at == 0 ? 0 : ends[at - 1]), end = static_cast<size_t>(ends[at]);
  std::vector<double> total(row_elements);
  for (size_t i = begin; i < end; ++i) {
    const Source source(weights_[static_cast<size_t>(owner_models[i])]);
    char* const raw = workspace.buffer(0, row_elements * sizeof(float));
    const auto first = static_cast<uint64_t>(owner_rows[i]) * row_elements;
    sums.bytes_read += source.read_floats(first, row_elements, to, raw);
    for (size_t j = 0; j < row_elements; ++j) total[j] += static_cast<double>(to[j]);
  }
  if (end - begin < 2) return;  // one owner's row stands in `to` as it is
  const auto num_owners = static_cast<double>(end - begin);
  for (size_t j = 0; j < row_elements; ++j) to[j] = static_cast<float>(total[j] / num_owners);
}

}  // namespace tongueforge::merge
