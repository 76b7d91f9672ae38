#include "merge/config/stand_ins.h"

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
    if (owner_rows[i] < 0) {
      const auto& mean = mean_of(static_cast<size_t>(owner_models[i]), row_elements, workspace);
      for (size_t j = 0; j < row_elements; ++j) {
        total[j] += mean[j];
        to[j] = static_cast<float>(mean[j]);
      }
      continue;
    }
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

const std::vector<double>& StandIns::mean_of(size_t model, size_t row_elements, Workspace& workspace) const {
  Mean& mean = means_[model];
  std::call_once(mean.once, [&] {
    const Source source(weights_[model]);
    const uint64_t num_rows = source.num_elements() / row_elements;
    std::vector<double> total(row_elements);
    std::vector<float> row(row_elements);
    for (uint64_t i = 0; i < num_rows; ++i) {
      workspace.check();
      char* const raw = workspace.buffer(0, row_elements * sizeof(float));
      source.read_floats(i * row_elements, row_elements, row.data(), raw);
      for (size_t j = 0; j < row_elements; ++j) total[j] += static_cast<double>(row[j]);
    }
    for (double& value : total) value /= static_cast<double>(num_rows);
    mean.values = std::move(total);
  });
  return mean.values;
}

}  // namespace tongueforge::merge
