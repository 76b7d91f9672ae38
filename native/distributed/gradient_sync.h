// Gradients summed over processes, bucket by bucket, while the backward pass goes on with others (Li et al.
// 2020, "PyTorch Distributed", arXiv 2006.15704).
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "distributed/buckets.h"
#include "distributed/group.h"

namespace tongueforge::distributed {

class GradientSync {
 public:
  /// Of tensors of these sizes, in an order that is the same in all processes.
  GradientSync(std::shared_ptr<Group> group, const std::vector<at::Tensor>& like, int64_t bucket_bytes);

  Group& group() const { return *group_; }

  /// Where the gradient of each tensor is put, float32: after finish() it is the sum over all processes
  /// there.
  const std::vector<at::Tensor>& places() const { return buckets_.views(); }

  /// Another update begins.
  void begin();
  /// The gradient at a place is whole as far as this process goes. Once all of a bucket are, and those of the
  /// buckets before it, it is on its way: every process sends them in one order.
  void ready(size_t place);
  /// Sends what is left, whole or not, and waits for all. Throws ERR_DISTRIBUTED.
  void finish(const Job& job);

  /// The elements that are this process's own where work is shared out: those of all processes are all.
  std::vector<Slice> own_slices() const;
  /// Those of each process.
  std::vector<std::vector<Slice>> all_slices() const;
  /// Gives each process what the others have as their own of these tensors. The places are used for it: no
  /// gradient is left there.
  void exchange(const std::vector<at::Tensor>& tensors, const Job& job);

  int64_t bytes() const { return buckets_.bytes(); }
  /// Buckets of the last update that went their way before finish().
  size_t sent_early() const { return sent_early_; }

 private:
  void send_complete();

  std::shared_ptr<Group> group_;
  Buckets buckets_;
  std::vector<size_t> missing_;  // gradients of each bucket
  std::vector<Pending> sent_;    // the first of them
  size_t sent_early_ = 0;
};

}  // namespace tongueforge::distributed
