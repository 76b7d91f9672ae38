// One tensor of a graft: the target's, with what the chat vectors add to it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "merge/graft/sparsify.h"
#include "merge/source.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

/// A chat vector as one tensor sees it.
struct VectorSource {
  Source base, chat;
  float scale = 1;
};

/// Rows of the output that the target does not have: they are the first chat model's own, unscaled.
using AddedRows = std::shared_ptr<const std::vector<bool>>;

class GraftPiece final : public Piece {
 public:
  /// `added` has an entry for each row of the tensor, or is null where there are none.
  GraftPiece(std::string name, Source target, std::vector<VectorSource> vectors, const Sparsify& sparsify,
             AddedRows added);

  uint64_t num_bytes() const override { return target_.num_elements() * width(); }
  uint64_t granule() const override { return width(); }
  uint64_t workspace_bytes(uint64_t chunk_bytes) const override;
  void prepare(Workspace& workspace, PieceSums& sums) override;
  void produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace, PieceSums& sums) const override;

 private:
  /// Elements [first, first + count), all in rows of one kind.
  struct Stretch {
    uint64_t first, count;
    bool added;
  };

  uint64_t width() const { return static_cast<uint64_t>(dtype_width(target_.dtype())); }
  std::vector<Stretch> stretches(uint64_t first, uint64_t count) const;
  /// Elements that sparsifying looks at.
  uint64_t num_thinned() const;
  void scan(size_t vector, const MagnitudeCut::Visit& visit, Workspace& workspace, PieceSums& sums) const;
  void produce_stretch(const Stretch& stretch, char* out, Workspace& workspace, PieceSums& sums) const;
  void add_vectors(const Stretch& stretch, const char* target, char* out, Workspace& workspace,
                   PieceSums& sums) const;
  void thin_out(size_t vector, uint64_t first, uint64_t count, float* delta) const;
  void read_delta(size_t vector, uint64_t first, uint64_t count, float* delta, Workspace& workspace,
                  PieceSums& sums) const;

  std::string name_;
  Source target_;
  std::vector<VectorSource> vectors_;
  Sparsify sparsify_;
  AddedRows added_;
  uint64_t row_elements_ = 1;
  std::vector<MagnitudeCut> cuts_;  // of each vector
};

}  // namespace tongueforge::merge
