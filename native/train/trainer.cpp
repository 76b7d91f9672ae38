#include "train/trainer.h"

#include <cmath>
#include <map>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/cross_entropy.h"
#include "models/weights.h"

namespace tongueforge::train {
namespace {

// Where a token is to be predicted: the place before it. (B,T) -> indexes into the flattened rows, and the
// tokens.
struct Targets {
  at::Tensor places_M, tokens_M;

  explicit Targets(const Batch& batch) {
    const auto labels_BT = at::constant_pad_nd(batch.labels_BT.slice(1, 1), {0, 1}, -100).flatten();
    places_M = labels_BT.ne(-100).nonzero().squeeze(1);
    tokens_M = labels_BT.index_select(0, places_M);
  }
  int64_t count() const { return places_M.numel(); }
};

// Logits only where there is a target: padding and prompts cost no head.
at::Tensor loss_sum(const models::Decoder& model, const Batch& batch, const Targets& targets,
                    const Job* job) {
  const auto hidden_BTD = model.hidden_packed(batch.ids_BT, batch.segments_BT, job);
  const auto hidden_MD = hidden_BTD.flatten(0, 1).index_select(0, targets.places_M);
  return kernels::cross_entropy_sum(model.logits(hidden_MD), targets.tokens_M);
}

bool is_decayed(models::ParameterKind kind) {
  return kind != models::ParameterKind::norm && kind != models::ParameterKind::bias;
}

[[noreturn]] void throw_non_finite(double loss, double grad_norm) {
  throw Error("ERR_NON_FINITE",
              str("The loss is ", loss, " and the gradient's norm ", grad_norm, "; the step was not taken"),
              "Lower optimizer.lr or set clip; check the data named in the last steps of metrics.jsonl.");
}

}  // namespace

Trainer::Trainer(std::shared_ptr<models::Decoder> model, const OptimizerOptions& options)
    : model_(std::move(model)), options_(options), groups_(2) {
  groups_[0].weight_decay = options.weight_decay;
  for (auto& parameter : model_->parameters()) {
    auto& tensor = *parameter.tensor;
    tensor.set_requires_grad(true);
    auto& group = groups_[options.decay_all || is_decayed(parameter.kind) ? 0 : 1];
    group.names.push_back(parameter.name);
    group.state.parameters.push_back(tensor);
    group.state.first_moments.push_back(at::zeros_like(tensor).detach());
    group.state.second_moments.push_back(at::zeros_like(tensor).detach());
    group.state.steps.push_back(at::zeros({}, at::kFloat));
  }
}

double Trainer::accumulate(const std::vector<Batch>& micro_batches, int64_t targets, Job& job) {
  double loss = 0;
  for (const auto& batch : micro_batches) {
    job.check();
    const Targets here(batch);
    if (here.count() == 0) continue;
    const auto part = loss_sum(*model_, batch, here, &job).div(static_cast<double>(targets));
    torch::autograd::backward({part}, {});
    loss += part.item<double>();
  }
  return loss;
}

void Trainer::collect_gradients() {
  for (auto& group : groups_) {
    group.state.gradients.clear();
    for (const auto& parameter : group.state.parameters)
      group.state.gradients.push_back(parameter.grad().defined() ? parameter.grad()
                                                                 : at::zeros_like(parameter).detach());
  }
}

void Trainer::clear_gradients() {
  for (auto& group : groups_) {
    group.state.gradients.clear();
    for (auto& parameter : group.state.parameters) parameter.mutable_grad().reset();
  }
}

double Trainer::clip_gradients(double limit) {
  double sum_of_squares = 0;
  for (const auto& group : groups_)
    for (const auto& gradient : group.state.gradients)
      sum_of_squares += std::pow(gradient.norm().item<double>(), 2);
  const double norm = std::sqrt(sum_of_squares);
  if (limit > 0 && norm > limit)
    for (auto& group : groups_)
      for (auto& gradient : group.state.gradients)
        gradient.mul_(limit / (norm + 1e-6));  // as clip_grad_norm_ does
  return norm;
}

StepResult Trainer::step(const std::vector<Batch>& micro_batches, const StepOptions& options, Job& job) {
  StepResult result;
  for (const auto& batch : micro_batches) result.tokens += Targets(batch).count();
  if (result.tokens == 0)
    throw Error("ERR_DATA", "Expected at least one target token in a step, received none");
  clear_gradients();
  result.loss = accumulate(micro_batches, result.tokens, job);

  const at::NoGradGuard no_grad;
  collect_gradients();
  result.grad_norm = clip_gradients(options.clip);
  if (!std::isfinite(result.loss) || !std::isfinite(result.grad_norm)) {
    clear_gradients();
    throw_non_finite(result.loss, result.grad_norm);
  }
  for (auto& group : groups_) {
    for (auto& step : group.state.steps) step.add_(1);
    kernels::adamw_(group.state,
                    {options.lr, options_.beta1, options_.beta2, options_.eps, group.weight_decay});
  }
  clear_gradients();
  return result;
}

std::pair<double, int64_t> Trainer::evaluate(const Batch& batch, const Job* job) const {
  const at::NoGradGuard no_grad;
  const Targets targets(batch);
  if (targets.count() == 0) return {0, 0};
  return {loss_sum(*model_, batch, targets, job).item<double>(), targets.count()};
}

std::vector<std::pair<std::string, at::Tensor>> Trainer::gradients(const std::vector<Batch>& micro_batches,
                                                                   Job& job) {
  int64_t targets = 0;
  for (const auto& batch : micro_batches) targets += Targets(batch).count();
  clear_gradients();
  accumulate(micro_batches, targets, job);
  collect_gradients();
  std::vector<std::pair<std::string, at::Tensor>> all;
  for (const auto& group : groups_)
    for (size_t i = 0; i < group.names.size(); i++)
      all.emplace_back(group.names[i], group.state.gradients[i].clone());
  clear_gradients();
  return all;
}

void Trainer::save_state(const std::string& path, Job& job) const {
  std::vector<models::NamedTensor> tensors;
  for (const auto& [names, state, decay] : groups_)
    for (size_t i = 0; i < names.size(); i++) {
      tensors.emplace_back("exp_avg." + names[i], state.first_moments[i]);
      tensors.emplace_back("exp_avg_sq." + names[i], state.second_moments[i]);
      tensors.emplace_back("step." + names[i], state.steps[i]);
    }
  models::save_tensors(path, tensors, job);
}

void Trainer::load_state(const std::string& path, Job& job) {
  std::map<std::string, at::Tensor> stored;
  for (auto& [name, tensor] : models::load_tensors(path, job)) stored[name] = tensor;
  const auto restore = [&](const std::string& name, at::Tensor& into) {
    const auto it = stored.find(name);
    if (it == stored.end() || it->second.sizes() != into.sizes())
      throw Error("ERR_CHECKPOINT", str("Expected optimizer state ", name, " of this model in ", path),
                  "The checkpoint is of another model: start again with --overwrite.",
                  {{"file", path}, {"tensor", name}});
    into.copy_(it->second);
  };
  for (auto& group : groups_)
    for (size_t i = 0; i < group.names.size(); i++) {
      restore("exp_avg." + group.names[i], group.state.first_moments[i]);
      restore("exp_avg_sq." + group.names[i], group.state.second_moments[i]);
      restore("step." + group.names[i], group.state.steps[i]);
    }
}

int64_t Trainer::bytes() const { return 4 * model_->bytes(); }  // weights, gradients and two moments

}  // namespace tongueforge::train
