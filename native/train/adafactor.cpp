#include "kernels/adafactor.h"

#include <cmath>

#include "kernels/aten.h"
#include "train/optimizer.h"

namespace tongueforge::train {
namespace {

bool is_factored(const at::Tensor& tensor) { return tensor.dim() >= 2; }

// A shape without one of its dimensions, counted from the last.
std::vector<int64_t> without(const at::Tensor& tensor, int64_t from_last) {
  auto shape = tensor.sizes().vec();
  shape.erase(shape.end() - from_last);
  return shape;
}

// A parameter with its moments, under the names that transformers gives them.
struct Slot {
  std::string name;
  at::Tensor master, row, column, first;  // row and first may be undefined
  at::Tensor step;                        // on the CPU, whatever the device of the others
  double weight_decay = 0;

  Slot(const TrainedTensor& tensor, const OptimizerOptions& options)
      : name(tensor.name),
        master(tensor.master.detach()),
        column(at::zeros(is_factored(master) ? without(master, 2) : master.sizes().vec(), master.options())),
        step(at::zeros({}, at::kFloat)),
        weight_decay(tensor.decayed ? options.weight_decay : 0) {
    if (is_factored(master)) row = at::zeros(without(master, 1), master.options());
    if (options.beta1 > 0) first = at::zeros_like(master);
  }

  void append_state(std::vector<models::NamedTensor>& all) const {
    if (row.defined()) all.emplace_back("exp_avg_sq_row." + name, row);
    all.emplace_back((row.defined() ? "exp_avg_sq_col." : "exp_avg_sq.") + name, column);
    if (first.defined()) all.emplace_back("exp_avg." + name, first);
    all.emplace_back("step." + name, step);
  }
};

class Adafactor final : public Optimizer {
 public:
  Adafactor(const std::vector<TrainedTensor>& tensors, const OptimizerOptions& options) : options_(options) {
    for (const auto& tensor : tensors) slots_.emplace_back(tensor, options);
  }

  void step(const std::vector<at::Tensor>& gradients, const Update& update) override {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < slots_.size(); i++) {
      auto& slot = slots_[i];
      slot.step.add_(1);
      const double beta2 = 1 - std::pow(slot.step.item<double>(), -options_.decay_rate);
      const auto gradient = update.scale == 1 ? gradients[i] : gradients[i].to(at::kFloat).mul(update.scale);
      kernels::adafactor_(
          {slot.master, gradient, slot.row, slot.column, slot.first},
          {update.lr, beta2, options_.eps, options_.clip_threshold, slot.weight_decay, options_.beta1});
    }
  }

  std::vector<models::NamedTensor> state() const override {
    std::vector<models::NamedTensor> tensors;
    for (const auto& slot : slots_) slot.append_state(tensors);
    return tensors;
  }

 private:
  OptimizerOptions options_;
  std::vector<Slot> slots_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adafactor(const std::vector<TrainedTensor>& tensors,
                                          const OptimizerOptions& options) {
  return std::make_unique<Adafactor>(tensors, options);
}

}  // namespace tongueforge::train
