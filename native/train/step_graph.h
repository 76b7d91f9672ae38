// The passes of a micro-step as one piece of GPU work: recorded at its second run, replayed from then on with
// other batches of its shape. The kernels, and so the bytes, are those of the run that was not recorded.
#pragma once
#include <memory>
#include <vector>

#include "kernels/graph.h"
#include "train/fixed_loss.h"
#include "train/trained_tensors.h"

namespace tongueforge::train {

// 1. Gradients of a step of one micro-batch lie in the graph's memory, and are handed to the tensors after
// each
//    run. Sums over several are the graph's own tensors: begin() makes them zero and hands them over, and
//    each run adds to them.
// 2. What the host would decide anew for each batch cannot be recorded: the caller has to see to it that
// there is
//    none (dropout of adapters).
class StepGraph {
 public:
  /// Batches (B,T) of a loss, on the device of the tensors, which must outlive it. `sums`: a step has several
  /// micro-batches.
  StepGraph(std::unique_ptr<FixedLoss> loss, int64_t rows, int64_t time, bool sums, TrainedTensors& tensors);

  /// Whether steps of so many micro-batches are what it was made for.
  bool is_for(size_t micro_batches) const { return (micro_batches > 1) == has_sums_; }
  bool takes(const Batch& batch) const;

  /// Before the first micro-batch of a step, taken or not.
  void begin();
  /// Forward and backward pass of a batch that it takes: the gradient of the mean over `count` things is
  /// added to the tensors' sums. What the loss told is a share of that mean.
  LossSum run(const Batch& batch, double count);

 private:
  void pass();

  std::unique_ptr<FixedLoss> loss_;
  int64_t rows_, time_;
  TrainedTensors& tensors_;
  bool has_sums_, is_rehearsed_ = false;
  std::vector<at::Tensor> sums_;  // of several micro-batches
  at::Tensor count_;
  kernels::Graph graph_;
  // In the graph's memory, which they leave first.
  std::vector<at::Tensor> gradients_;  // of one micro-batch
  LossSum told_;
};

}  // namespace tongueforge::train
