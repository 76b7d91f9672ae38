// Rows of tokens that a model does not have: the mean of the rows of those that do takes their place.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "merge/config/merge_model.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

/// Which rows of which models stand in, the same for embedding and head.
struct StandInTable {
  std::vector<int32_t> rows;          // of the output, ascending
  std::vector<int32_t> ends;          // where the owners of each end in the lists below
  std::vector<int32_t> owner_models;  // by their number
  std::vector<int32_t> owner_rows;    // -1: the mean of all rows
};

/// The table with the tensors of one output tensor.
class StandIns {
 public:
  /// `tensors[i]` is what model i has in the place of the tensor, its adapter's product included; those that
  /// lend no row may be empty.
  StandIns(std::shared_ptr<const StandInTable> table, std::vector<ModelTensor> tensors)
      : table_(std::move(table)), tensors_(std::move(tensors)), means_(tensors_.size()) {}

  /// Row `row` of the output: the only owner's exactly, the mean of several in double, rounded to float32;
  /// zeros where nobody owns it. `to` holds a row.
  void read(int64_t row, size_t row_elements, float* to, Workspace& workspace, PieceSums& sums) const;

 private:
  struct Mean {
    std::once_flag once;
    std::vector<double> values;  // one row
  };

  /// Of all rows of a model's tensor; read once for all threads, and so in nobody's sums.
  const std::vector<double>& mean_of(size_t model, size_t row_elements, Workspace& workspace) const;

  struct Rows {
    uint64_t first, count;
  };

  /// Rows of a model's tensor, as its own result would have them.
  void read_rows(size_t model, Rows rows, size_t row_elements, float* to, Workspace& workspace,
                 PieceSums& sums) const;

  std::shared_ptr<const StandInTable> table_;
  std::vector<ModelTensor> tensors_;
  mutable std::vector<Mean> means_;  // by model
};

}  // namespace tongueforge::merge
