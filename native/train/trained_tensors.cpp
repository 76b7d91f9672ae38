#include "train/trained_tensors.h"

#include "core/error.h"
#include "kernels/aten.h"
#include "models/adapters.h"

namespace tongueforge::train {
namespace {

bool is_matrix(models::ParameterKind kind) {
  return kind != models::ParameterKind::norm && kind != models::ParameterKind::bias;
}

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

void TrainedTensors::collect_gradients() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < all_.size(); i++) {
    auto& gradient = all_[i].weight.mutable_grad();
    if (!gradient.defined()) continue;
    auto& sum = sums_[i];
    if (!sum.defined())
      sum = gradient.is_cuda() ? gradient : gradient.to(at::kFloat);
    else if (sum.scalar_type() == at::kFloat)
      sum.add_(gradient);
    else
      sum = sum.to(at::kFloat).add_(gradient);
    gradient.reset();
  }
}

const std::vector<at::Tensor>& TrainedTensors::gradients() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < all_.size(); i++)
    if (!sums_[i].defined()) sums_[i] = at::zeros_like(all_[i].master);
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
