// A tensor that a merge passes through: byte for byte, its values looked at on the way.
#pragma once
#include "merge/float_output.h"
#include "merge/stream/copy_piece.h"

namespace tongueforge::merge {

class PassedPiece final : public Piece {
 public:
  /// `weight`: of BF16, F16 or F32.
  explicit PassedPiece(const checkpoint::Weight& weight) : copy_(weight), dtype_(weight.dtype()) {}

  uint64_t num_bytes() const override { return copy_.num_bytes(); }
  uint64_t granule() const override { return static_cast<uint64_t>(dtype_width(dtype_)); }
  uint64_t workspace_bytes(uint64_t) const override { return 0; }
  void produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace,
               PieceSums& sums) const override {
    copy_.produce(begin, end, out, workspace, sums);
    sums.graft.num_nonfinite += count_nonfinite(dtype_, out, (end - begin) / granule());
  }

 private:
  CopyPiece copy_;
  DType dtype_;
};

}  // namespace tongueforge::merge
