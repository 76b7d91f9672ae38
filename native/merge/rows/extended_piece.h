// An embedding or head with rows for new tokens.
#pragma once
#include "checkpoint/model_weights.h"
#include "merge/rows/row_extension.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

class ExtendedPiece final : public Piece {
 public:
  /// `rows` must outlive it.
  ExtendedPiece(const checkpoint::Weight& weight, const NewRows& rows) : weight_(weight), rows_(rows) {}

  /// By preparing it and producing all of it.
  uint64_t bytes_to_read() const;

  uint64_t num_bytes() const override { return static_cast<uint64_t>(rows_.num_rows) * row_bytes(); }
  uint64_t granule() const override { return row_bytes(); }
  uint64_t workspace_bytes(uint64_t) const override { return 16 * columns(); }
  /// The row that padding gets.
  void prepare(Workspace& workspace, PieceSums& sums) override;
  void produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace, PieceSums& sums) const override;

 private:
  uint64_t columns() const { return static_cast<uint64_t>(weight_.shape()[1]); }
  uint64_t row_bytes() const { return columns() * static_cast<uint64_t>(dtype_width(weight_.dtype())); }
  /// The first row that neither the model nor a new token has.
  uint64_t padding_from() const;
  void produce_row(uint64_t row, char* out, PieceSums& sums) const;

  checkpoint::Weight weight_;
  const NewRows& rows_;
  std::vector<char> padding_;
};

}  // namespace tongueforge::merge
