#include "train/trainer.h"

#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "kernels/aten.h"
#include "models/prunable.h"

namespace tongueforge::train {
namespace {

double norm_of(const std::vector<at::Tensor>& gradients) {
  double sum_of_squares = 0;
  for (const auto& gradient : gradients) sum_of_squares += std::pow(gradient.norm().item<double>(), 2);
  return std::sqrt(sum_of_squares);
}

// Scales the whole gradient down to the limit, as clip_grad_norm_ does.
void clip(const std::vector<at::Tensor>& gradients, double norm, double limit) {
  if (limit <= 0 || norm <= limit) return;
  for (const auto& gradient : gradients) gradient.mul_(limit / (norm + 1e-6));
}

std::string refusal(const StepResult& result, const StepOptions& options) {
  if (!std::isfinite(result.loss) || !std::isfinite(result.grad_norm)) return "non_finite";
  const bool spike = result.loss > options.loss_limit || result.grad_norm > options.grad_norm_limit;
  return spike ? "spike" : "";
}

void add(Figures& total, const Figures& part) {
  for (const auto& [name, value] : part) total[name] += value;
}

Figures mean(Figures sums, int64_t count) {
  for (auto& [name, value] : sums) value /= static_cast<double>(count);
  return sums;
}

// What the adapters drop, as seed, step and micro-batch say.
uint64_t dropout_key(uint64_t seed, int64_t step, size_t micro_batch) {
  const uint64_t of_step = Random(Random(seed).next() + static_cast<uint64_t>(step)).next();
  return Random(of_step + micro_batch).next();
}

}  // namespace

Trainer::Trainer(std::shared_ptr<models::Model> model, const TrainerOptions& options)
    : model_(std::move(model)),
      loss_(make_loss(options.loss, *model_)),
      tensors_(*model_, loss_->parameters(), options.compute, options.frozen, options.optimizer.decay_all),
      masks_(tensors_, models::prunable_names(*model_), options.masks),
      optimizer_(make_optimizer(tensors_.all(), options.optimizer)),
      seed_(options.seed) {
  model_->recompute_blocks(options.recompute_blocks);
  for (const auto& block : model_->blocks())  // an execution holds the numbers of before
    for (const auto& [name, linear] : block.linears()) linear->execution.reset();
}

// Leaves the gradient of the mean over everything in tensors_; gives the mean itself.
Evaluation Trainer::accumulate(const std::vector<Batch>& micro_batches, int64_t step, Job& job) {
  Evaluation total;
  for (const auto& batch : micro_batches) total.count += loss_->count(batch);
  if (total.count == 0)
    throw Error("ERR_DATA", "Expected at least one target token in a step, received none");
  tensors_.clear_gradients();
  for (size_t i = 0; i < micro_batches.size(); i++) {
    const auto& batch = micro_batches[i];
    job.check();
    if (loss_->count(batch) == 0) continue;
    const nn::DropoutScope dropout(*model_->adapter_dropout(), dropout_key(seed_, step, i));
    const auto loss = loss_->sum(batch, &job);
    const auto count = static_cast<double>(total.count);
    torch::autograd::backward({loss.sum.div(count)}, {});
    tensors_.collect_gradients();
    total.sum += loss.told().detach().div(count).item<double>();
    add(total.figures, loss.figures);
  }
  masks_.clear_gradients(tensors_.gradients());
  total.figures = mean(std::move(total.figures), total.count);
  return total;
}

StepResult Trainer::step(const std::vector<Batch>& micro_batches, const StepOptions& options, Job& job) {
  StepResult result;
  for (const auto& batch : micro_batches) result.tokens += Targets(batch).count();
  const auto loss = accumulate(micro_batches, options.step, job);
  result.loss = loss.sum;
  result.figures = loss.figures;

  const at::NoGradGuard no_grad;
  const auto& gradients = tensors_.gradients();
  result.grad_norm = norm_of(gradients);
  result.refused = refusal(result, options);
  if (result.refused.empty()) {
    clip(gradients, result.grad_norm, options.clip);
    optimizer_->step(gradients, options.lr);
    masks_.clear_weights();
    tensors_.publish_masters();
  }
  tensors_.clear_gradients();
  return result;
}

Evaluation Trainer::evaluate(const Batch& batch, const Job* job) const {
  return train::evaluate(*loss_, batch, job);
}

std::vector<models::NamedTensor> Trainer::gradients(const std::vector<Batch>& micro_batches, Job& job) {
  accumulate(micro_batches, 0, job);
  std::vector<models::NamedTensor> named;
  const auto& gradients = tensors_.gradients();
  for (size_t i = 0; i < gradients.size(); i++) named.emplace_back(tensors_.all()[i].name, gradients[i]);
  tensors_.clear_gradients();
  return named;
}

void Trainer::prune(kernels::MaskScope scope, double sparsity, Job& job) {
  job.check();
  masks_.grow(scope, sparsity, job);
  tensors_.publish_masters();
}

int64_t Trainer::bytes() const {
  int64_t total = model_->bytes() + loss_->bytes();
  for (const auto& tensor : tensors_.all())
    total += static_cast<int64_t>(tensor.weight.nbytes());  // gradients
  for (const auto& [name, tensor] : state()) total += static_cast<int64_t>(tensor.nbytes());
  return total;
}

}  // namespace tongueforge::train
