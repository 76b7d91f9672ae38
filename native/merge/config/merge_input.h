// A tensor of one model as a merge method sees it: float32 values, whatever dtype, adapter or vocabulary the
// model has.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "merge/config/merge_model.h"
#include "merge/config/stand_ins.h"
#include "merge/source.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

class MergeInput {
 public:
  /// `rows` and `stand_ins` come together, where rows of tokens move. `working_dtype`: what values are cast
  /// to (compat: mergekit), none: they stay exact.
  MergeInput(const ModelTensor& tensor, RowMap rows, std::shared_ptr<const StandIns> stand_ins,
             std::optional<DType> working_dtype);

  const std::vector<int64_t>& shape() const { return source_.shape(); }
  uint64_t num_elements() const { return source_.num_elements(); }
  uint64_t row_elements() const { return row_elements_; }
  DType dtype() const { return source_.dtype(); }
  /// Of the file, once.
  uint64_t bytes_to_read() const;
  /// Whether read() must begin and end with whole rows: where they are moved or multiplied.
  bool by_rows() const { return tensor_.has_product() || rows_; }
  bool has_product() const { return tensor_.has_product(); }

  /// Elements [first, first + count). @return in `to`
  void read(uint64_t first, uint64_t count, float* to, Workspace& workspace, PieceSums& sums) const;

 private:
  void read_stretch(uint64_t first, uint64_t count, float* to, Workspace& workspace, PieceSums& sums) const;
  void move_rows(uint64_t first, uint64_t count, float* to, Workspace& workspace, PieceSums& sums) const;

  ModelTensor tensor_;
  Source source_;
  RowMap rows_;
  std::shared_ptr<const StandIns> stand_ins_;
  std::optional<DType> working_dtype_;
  uint64_t row_elements_ = 1;
};

/// Slots of the workspace that reading takes; a piece's own begin behind them.
inline constexpr size_t kInputSlots = 1;

}  // namespace tongueforge::merge
