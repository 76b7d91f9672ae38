#include "merge/config/merge_input.h"

#include <algorithm>

#include "merge/config/adapter_product.h"
#include "merge/float_output.h"
#include "merge/graft/graft_kernel.h"

namespace tongueforge::merge {
namespace {

/// Of the workspace: bytes as they stand in a file.
constexpr size_t kRaw = 0;

constexpr uint64_t kReadElements = uint64_t{1} << 20;  // at once: between two looks at the job

}  // namespace

MergeInput::MergeInput(const ModelTensor& tensor, RowMap rows, std::shared_ptr<const StandIns> stand_ins,
                       std::optional<DType> working_dtype)
    : tensor_(tensor),
      source_(tensor.weight, rows),
      rows_(std::move(rows)),
      stand_ins_(std::move(stand_ins)),
      working_dtype_(working_dtype) {
  if (!shape().empty() && shape()[0] > 0) row_elements_ = num_elements() / static_cast<uint64_t>(shape()[0]);
  row_elements_ = std::max<uint64_t>(1, row_elements_);
}

uint64_t MergeInput::bytes_to_read() const {
  const uint64_t product = has_product() ? tensor_.a.num_bytes() + tensor_.b.num_bytes() : 0;
  if (!rows_) return product + tensor_.weight.num_bytes();
  const auto own = std::count_if(rows_->begin(), rows_->end(), [](int32_t row) { return row >= 0; });
  return product + static_cast<uint64_t>(own) * row_elements_ * static_cast<uint64_t>(dtype_width(dtype()));
}

void MergeInput::read(uint64_t first, uint64_t count, float* to, Workspace& workspace,
                      PieceSums& sums) const {
  const uint64_t step = std::max<uint64_t>(1, kReadElements / row_elements_) * row_elements_;
  for (const uint64_t end = first + count; first < end;) {
    workspace.check();
    const uint64_t part = std::min(step, end - first);
    read_stretch(first, part, to, workspace, sums);
    to += part;
    first += part;
  }
}

void MergeInput::read_stretch(uint64_t first, uint64_t count, float* to, Workspace& workspace,
                              PieceSums& sums) const {
  char* const raw = workspace.buffer(kRaw, count * sizeof(float));
  sums.bytes_read += source_.read_floats(first, count, to, raw);
  if (rows_) {
    move_rows(first, count, to, workspace, sums);
  } else {
    const auto row = static_cast<int64_t>(first / row_elements_);
    add_product(tensor_, row_elements_, row, count / row_elements_, to, workspace, sums);
  }
  if (working_dtype_) round_floats(*working_dtype_, to, count);
}

// What Source has put in their places, completed: products of rows that the model has, stand-ins of the
// others.
void MergeInput::move_rows(uint64_t first, uint64_t count, float* to, Workspace& workspace,
                           PieceSums& sums) const {
  for (uint64_t row = first / row_elements_; row < (first + count) / row_elements_;
       ++row, to += row_elements_) {
    const int32_t own = (*rows_)[row];
    if (own < 0) {
      stand_ins_->read(static_cast<int64_t>(row), row_elements_, to, workspace, sums);
    } else {
      add_product(tensor_, row_elements_, own, 1, to, workspace, sums);
    }
  }
}

}  // namespace tongueforge::merge
