// A loss whose batches all have one shape and lie in memory that stays where it is: what a step that is
// recorded once and replayed needs (kernels/graph.h).
#pragma once
#include "train/loss.h"

namespace tongueforge::train {

/// Of one model, which must outlive it.
class FixedLoss {
 public:
  virtual ~FixedLoss() = default;

  /// Whether there is room for this batch, which has the shape it was made for.
  virtual bool fits(const Batch& batch) const = 0;

  /// Brings in a batch that fits, in the order of the current stream; the host does not wait.
  virtual void bring(const Batch& batch) = 0;

  /// As Loss::sum() of the batch that was brought in last. Reads nothing on the CPU.
  virtual LossSum sum() const = 0;
};

}  // namespace tongueforge::train
