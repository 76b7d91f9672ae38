// What an adapter makes of the tensors of its model.
#pragma once
#include "checkpoint/model_weights.h"
#include "merge/low_rank_source.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

/// weight + scale * B A, in the dtype of the weight.
class LowRankPiece final : public Piece {
 public:
  LowRankPiece(const checkpoint::Weight& weight, LowRankSource low_rank)
      : weight_(weight), low_rank_(low_rank) {}

  uint64_t num_bytes() const override { return weight_.num_bytes(); }
  uint64_t granule() const override;
  uint64_t workspace_bytes(uint64_t) const override;
  void produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace, PieceSums& sums) const override;

 private:
  checkpoint::Weight weight_;
  LowRankSource low_rank_;
};

/// A tensor that was trained as a whole, in the dtype of the one that it takes the place of.
class ReplacedPiece final : public Piece {
 public:
  ReplacedPiece(const checkpoint::Weight& from, DType dtype) : from_(from), dtype_(dtype) {}

  uint64_t num_bytes() const override { return from_.info->num_elements() * width(); }
  uint64_t granule() const override { return width(); }
  uint64_t workspace_bytes(uint64_t chunk_bytes) const override { return 4 * chunk_bytes / width(); }
  void produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace, PieceSums& sums) const override;

 private:
  uint64_t width() const { return static_cast<uint64_t>(dtype_width(dtype_)); }

  checkpoint::Weight from_;
  DType dtype_;
};

}  // namespace tongueforge::merge
