#include "train/step_graph.h"

#include "kernels/autograd.h"
#include "kernels/device_memory.h"

namespace tongueforge::train {

StepGraph::StepGraph(std::unique_ptr<FixedLoss> loss, int64_t rows, int64_t time, bool sums,
                     TrainedTensors& tensors)
    : loss_(std::move(loss)),
      rows_(rows),
      time_(time),
      tensors_(tensors),
      has_sums_(sums),
      count_(at::empty({}, tensors.all()[0].master.options())),
      graph_(count_.device()) {
  if (!has_sums_) return;
  for (const auto& tensor : tensors_.all())
    sums_.push_back(at::empty_like(tensor.master).set_requires_grad(false));
}

bool StepGraph::takes(const Batch& batch) const {
  return batch.segments_BT.size(0) == rows_ && batch.segments_BT.size(1) == time_ && loss_->fits(batch);
}

void StepGraph::begin() {
  if (!has_sums_) return;
  const at::NoGradGuard no_grad;
  at::_foreach_zero_(sums_);
  tensors_.hand_in(sums_);
}

void StepGraph::pass() {
  auto told = loss_->sum();
  torch::autograd::backward({told.sum.div(count_)}, {});
  tensors_.collect_gradients();
  const at::NoGradGuard no_grad;
  told.reported = told.told().detach().div(count_);
  told.sum = told.sum.detach();  // its graph would hold on to what backward leaves
  told_ = std::move(told);
}

LossSum StepGraph::run(const Batch& batch, double count) {
  loss_->bring(batch);
  count_.fill_(count);
  const auto body = [this] { pass(); };
  if (!is_rehearsed_) {
    graph_.rehearse(body);
    is_rehearsed_ = true;
    return told_;
  }
  if (!graph_.is_captured()) {
    kernels::release_kept(count_.device());  // the graph has memory of its own
    graph_.capture(body);
    if (!has_sums_) gradients_ = tensors_.handed_out();
  }
  graph_.replay();
  if (!has_sums_) tensors_.hand_in(gradients_);
  return told_;
}

}  // namespace tongueforge::train
