// One tensor of the result of a merge: the tensors of all models through one method.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "merge/config/merge_draws.h"
#include "merge/config/merge_input.h"
#include "merge/methods/method.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

struct MergedTensor {
  std::string name;
  DType dtype = DType::F32;            // of the result
  std::optional<DType> working_dtype;  // compat: mergekit
  std::optional<MergeInput> base;
  std::vector<MergeInput> inputs;
  std::vector<Parameters> input_parameters;  // of each input
  Parameters parameters;
  uint64_t draws_begin = 0;  // in mergekit's sequence
};

class MergedPiece final : public Piece {
 public:
  MergedPiece(const Method& method, MergedTensor tensor, std::shared_ptr<MergeDraws> draws);

  uint64_t num_bytes() const override { return num_elements() * width(); }
  uint64_t granule() const override;
  uint64_t workspace_bytes(uint64_t chunk_bytes) const override;
  void produce(uint64_t begin, uint64_t end, char* out, Workspace& workspace, PieceSums& sums) const override;

 private:
  uint64_t num_elements() const { return tensor_.inputs.front().num_elements(); }
  uint64_t width() const { return static_cast<uint64_t>(dtype_width(tensor_.dtype)); }
  uint64_t row_elements() const { return tensor_.inputs.front().row_elements(); }
  /// Elements that go through the method at once, of a chunk of `count`.
  uint64_t stretch(uint64_t count) const;
  void merge_stretch(uint64_t first, uint64_t count, char* out, Workspace& workspace, PieceSums& sums) const;

  const Method& method_;
  MergedTensor tensor_;
  std::shared_ptr<MergeDraws> draws_;
  bool by_rows_ = false, has_product_ = false;
};

}  // namespace tongueforge::merge
