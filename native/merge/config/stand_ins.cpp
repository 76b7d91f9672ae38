#include "merge/config/stand_ins.h"

#include <algorithm>

#include "merge/config/adapter_product.h"
#include "merge/source.h"

namespace tongueforge::merge {
namespace {

constexpr uint64_t kRowsAtOnce = 256;  // an adapter's first factor is read for each stretch

}  // namespace

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
    const auto owner = static_cast<size_t>(owner_models[i]);
    read_rows(owner, {static_cast<uint64_t>(owner_rows[i]), 1}, row_elements, to, workspace, sums);
    for (size_t j = 0; j < row_elements; ++j) total[j] += static_cast<double>(to[j]);
  }
  if (end - begin < 2) return;  // one owner's row stands in `to` as it is
  const auto num_owners = static_cast<double>(end - begin);
  for (size_t j = 0; j < row_elements; ++j) to[j] = static_cast<float>(total[j] / num_owners);
}

void StandIns::read_rows(size_t model, Rows rows, size_t row_elements, float* to, Workspace& workspace,
                         PieceSums& sums) const {
  const ModelTensor& tensor = tensors_[model];
  const uint64_t count = rows.count * row_elements;
  char* const raw = workspace.buffer(0, count * sizeof(float));
  sums.bytes_read += Source(tensor.weight).read_floats(rows.first * row_elements, count, to, raw);
  add_product(tensor, row_elements, static_cast<int64_t>(rows.first), rows.count, to, workspace, sums);
}

const std::vector<double>& StandIns::mean_of(size_t model, size_t row_elements, Workspace& workspace) const {
  Mean& mean = means_[model];
  std::call_once(mean.once, [&] {
    const uint64_t num_rows = Source(tensors_[model].weight).num_elements() / row_elements;
    std::vector<double> total(row_elements);
    std::vector<float> values(kRowsAtOnce * row_elements);
    PieceSums ignored;
    for (uint64_t first = 0; first < num_rows; first += kRowsAtOnce) {
      workspace.check();
      const uint64_t count = std::min(kRowsAtOnce, num_rows - first);
      read_rows(model, {first, count}, row_elements, values.data(), workspace, ignored);
      for (uint64_t row = 0; row < count; ++row)
        for (size_t j = 0; j < row_elements; ++j)
          total[j] += static_cast<double>(values[row * row_elements + j]);
    }
    for (double& value : total) value /= static_cast<double>(num_rows);
    mean.values = std::move(total);
  });
  return mean.values;
}

}  // namespace tongueforge::merge
