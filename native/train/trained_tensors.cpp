#include "train/trained_tensors.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <utility>

#include "core/error.h"
#include "kernels/autograd.h"
#include "models/adapters.h"

namespace tongueforge::train {
namespace {

bool is_matrix(models::ParameterKind kind) {
  return kind != models::ParameterKind::norm && kind != models::ParameterKind::bias;
}

// Called by autograd when the gradient of a weight is whole.
class WholeGradient final : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit WholeGradient(std::function<void()> heard) : heard_(std::move(heard)) {}
  void operator()(const at::Tensor&) override { heard_(); }

 private:
  std::function<void()> heard_;
};

}  // namespace

TrainedTensors::TrainedTensors(models::Model& model, const std::vector<models::Parameter>& beside,
                               at::ScalarType compute, const FrozenNames& frozen, bool decay_all) {
  for (const auto& parameter : model.parameters()) {
    if (frozen.contains(parameter.name) || parameter.kind == models::ParameterKind::kept)
      *parameter.tensor = parameter.tensor->to(compute);
    else
      add(parameter, compute, decay_all);
  }
  for (const auto& parameter : models::adapter_parameters(model)) add(parameter, at::kFloat, decay_all);
  for (const auto& parameter : beside) add(parameter, at::kFloat, decay_all);
  if (all_.empty()) throw Error("ERR_CONFIG", "Expected something to train, and all is frozen");
  sums_.resize(all_.size());
}

void TrainedTensors::add(const models::Parameter& parameter, at::ScalarType compute, bool decay_all) {
  auto& weight = *parameter.tensor;
  const auto master = weight.to(at::kFloat);
  weight = master.to(compute);  // the same tensor if it is float32 already
  weight.set_requires_grad(true);
  all_.push_back({parameter.name, weight, master, decay_all || is_matrix(parameter.kind)});
}

void TrainedTensors::sum_into(std::vector<at::Tensor> places) {
  places_ = std::move(places);
  for (size_t i = 0; i < all_.size(); i++) {
    const auto heard = [this, i] {
      if (!collected_) return;
      collect(i);
      collected_(i);
    };
    torch::autograd::impl::set_post_acc_grad_hooks(all_[i].weight, std::make_unique<WholeGradient>(heard));
  }
}

// The model may live on.
TrainedTensors::~TrainedTensors() {
  for (size_t i = 0; i < places_.size(); i++)
    torch::autograd::impl::set_post_acc_grad_hooks(all_[i].weight, nullptr);
}

void TrainedTensors::collect_gradients() {
  for (size_t i = 0; i < all_.size(); i++) collect(i);
}

void TrainedTensors::collect(size_t i) {
  const at::NoGradGuard no_grad;
  auto& gradient = all_[i].weight.mutable_grad();
  if (!gradient.defined()) return;
  auto& sum = sums_[i];
  if (!sum.defined() && !places_.empty())
    sum = places_[i].copy_(gradient);
  else if (!sum.defined())
    sum = gradient.is_cuda() ? gradient : gradient.to(at::kFloat);
  else if (sum.scalar_type() == at::kFloat)
    sum.add_(gradient);
  else
    sum = sum.to(at::kFloat).add_(gradient);
  gradient.reset();
}

const std::vector<at::Tensor>& TrainedTensors::gradients() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < all_.size(); i++)
    if (!sums_[i].defined()) sums_[i] = places_.empty() ? at::zeros_like(all_[i].master) : places_[i].zero_();
  return sums_;
}

void TrainedTensors::clear_gradients() {
  for (size_t i = 0; i < all_.size(); i++) {
    all_[i].weight.mutable_grad().reset();
    sums_[i].reset();
  }
}

void TrainedTensors::publish_masters() {
  const at::NoGradGuard no_grad;
  for (auto& tensor : all_)
    if (!tensor.weight.is_same(tensor.master)) tensor.weight.copy_(tensor.master);
}

}  // namespace tongueforge::train
