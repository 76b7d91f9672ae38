// What all layers of one pass over packed rows share: documents and positions, worked out once on the host,
// and their copies on the device of the model. Letters: B batch, T time.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/packed_documents.h"

namespace tongueforge::kernels {

/// Neighbouring places of one row, counted through all rows: a document, or the padding between two.
struct PackedStretch {
  int64_t begin, length;
  bool is_padding;
};

struct PackedPlan {
  int64_t batch = 0, time = 0;
  std::vector<PackedDocument> documents;  // the longest first
  std::vector<PackedStretch> stretches;   // in order, every place in one of them
  at::Tensor positions_BT;                // int64, on the device: they begin anew with each stretch
  int64_t longest = 0;                    // no stretch has more places
  bool is_fixed = false;                  // what a FixedPackedPlan brings up to date
  /// On a CUDA device, and of a fixed plan:
  at::Tensor offsets;     // int32: where each stretch begins, and B*T at the end, once or more often
  at::Tensor padding_BT;  // bool: where there is none of a document; undefined where all is documents
};

/// segments (B,T) int64 on the host, negative numbers are padding -> the plan of a pass on this device. The
/// host does not wait for the copies.
std::shared_ptr<const PackedPlan> packed_plan(const at::Tensor& segments_BT, at::Device device = at::kCPU);

/// A plan for work that is recorded once and replayed with other rows: its shapes and
/// `longest` = T depend on B, T and `most_stretches` alone, and its tensors keep their memory.
class FixedPackedPlan {
 public:
  FixedPackedPlan(int64_t batch, int64_t time, int64_t most_stretches, at::Device device);

  /// Whether these rows have no more stretches than there is room for.
  bool fits(const at::Tensor& segments_BT) const;
  /// Brings in the documents of these rows (B,T), in the order of the current stream; they must fit.
  void fill(const at::Tensor& segments_BT);
  std::shared_ptr<const PackedPlan> plan() const { return plan_; }

 private:
  std::shared_ptr<PackedPlan> plan_;
};

}  // namespace tongueforge::kernels
