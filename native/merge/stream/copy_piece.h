// A tensor of an input, byte for byte.
#pragma once
#include "checkpoint/model_weights.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

class CopyPiece final : public Piece {
 public:
  explicit CopyPiece(const checkpoint::Weight& weight) : weight_(weight) {}

  uint64_t num_bytes() const override { return weight_.num_bytes(); }
  uint64_t granule() const override { return 1; }
  uint64_t workspace_bytes(uint64_t) const override { return 0; }
  void produce(uint64_t begin, uint64_t end, char* out, Workspace&, PieceSums& sums) const override {
    weight_.read_range(begin, end - begin, out);
    sums.bytes_read += end - begin;
  }

 private:
  checkpoint::Weight weight_;
};

}  // namespace tongueforge::merge
