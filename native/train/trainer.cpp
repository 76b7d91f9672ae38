#include "train/trainer.h"

#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "kernels/autograd.h"
#include "kernels/deterministic.h"
#include "kernels/device_memory.h"
#include "kernels/few_rows.h"
#include "models/prunable.h"
#include "train/shared_adamw.h"

namespace tongueforge::train {
namespace {

const std::string kLoss = "loss";  // among figures: no loss tells one of this name

// Norms of the gradients, a float32 row.
at::Tensor norms_of(const std::vector<at::Tensor>& gradients) {
  if (gradients[0].is_cuda()) return at::stack(at::_foreach_norm(gradients, 2, at::kFloat));
  std::vector<at::Tensor> norms;
  for (const auto& gradient : gradients) norms.push_back(gradient.norm());
  return at::stack(norms);
}

// Of the whole gradient, from the norms of its parts.
double whole_norm(const std::vector<double>& read, size_t first) {
  double sum_of_squares = 0;
  for (size_t i = first; i < read.size(); i++) sum_of_squares += std::pow(read[i], 2);
  return std::sqrt(sum_of_squares);
}

// What scales the whole gradient down to the limit, as clip_grad_norm_ does; 1 where it is below.
double clip_scale(double norm, double limit) {
  return limit <= 0 || norm <= limit ? 1 : limit / (norm + 1e-6);
}

std::string refusal(const StepResult& result, const StepOptions& options) {
  if (!std::isfinite(result.loss) || !std::isfinite(result.grad_norm)) return "non_finite";
  const bool spike = result.loss > options.loss_limit || result.grad_norm > options.grad_norm_limit;
  return spike ? "spike" : "";
}

// What is dropped, as seed, step and micro-batch say.
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
      sync_(make_sync(options.together)),
      optimizer_(make_optimizer(options)),
      shares_state_(options.together.share_state),
      seed_(options.seed),
      deterministic_(options.deterministic),
      wants_graph_(options.graph && !sync_ && model_->device().is_cuda() &&
                   model_->dropout()->adapter_rate == 0 && !options.dropout.is_any()) {
  if (sync_) tensors_.sum_into(sync_->places());
  model_->recompute_blocks(options.recompute_blocks);
  model_->dropout()->encoder = options.dropout;
  kernels::begin_peak(model_->device());
  for (const auto& block : model_->blocks())  // an execution holds the numbers of before
    for (const auto& [name, linear] : block.linears()) linear->execution.reset();
}

std::unique_ptr<distributed::GradientSync> Trainer::make_sync(const TogetherOptions& options) const {
  if (!options.group) return nullptr;
  return std::make_unique<distributed::GradientSync>(options.group, masters(), options.bucket_bytes);
}

std::unique_ptr<Optimizer> Trainer::make_optimizer(const TrainerOptions& options) const {
  if (options.together.share_state) return make_shared_adamw(tensors_.all(), options.optimizer, *sync_);
  return train::make_optimizer(tensors_.all(), options.optimizer);
}

std::vector<at::Tensor> Trainer::masters() const {
  std::vector<at::Tensor> masters;
  for (const auto& tensor : tensors_.all()) masters.push_back(tensor.master.detach());
  return masters;
}

int64_t Trainer::count(const std::vector<Batch>& micro_batches) const {
  int64_t count = 0;
  for (const auto& batch : micro_batches) count += loss_->count(batch);
  return count;
}

// Sums over all processes.
Figures Trainer::together(const Figures& figures, const Job& job) const {
  return sync_ ? sync_->group().sum(figures, job) : figures;
}

Evaluation Trainer::together(const Evaluation& own, const Job& job) const {
  auto figures = own.figures;
  figures[kLoss] = own.sum;
  auto all = together(figures, job);
  const double sum = all.at(kLoss);
  all.erase(kLoss);
  return {sum, own.count, all};
}

Evaluation Trainer::Told::mean(const std::vector<double>& read) const {
  Evaluation all;
  all.count = count;
  for (const auto& part : parts) part.add_to(all, read);
  for (auto& [name, value] : all.figures) value /= static_cast<double>(count);
  return all;
}

// Made for the first step's shape and number of micro-batches; others go without.
StepGraph* Trainer::graph_for(const std::vector<Batch>& micro_batches) {
  if (wants_graph_ && !graph_) {
    const int64_t rows = micro_batches[0].segments_BT.size(0), time = micro_batches[0].segments_BT.size(1);
    auto fixed = loss_->fixed(rows, time);
    wants_graph_ = fixed != nullptr;
    if (fixed)
      graph_ = std::make_unique<StepGraph>(std::move(fixed), rows, time, micro_batches.size() > 1, tensors_);
  }
  return graph_ && graph_->is_for(micro_batches.size()) ? graph_.get() : nullptr;
}

// Adds the gradient of the mean over `count` things to tensors_; what is told is a share of that mean.
LossSum Trainer::pass(const Batch& batch, double count, StepGraph* maybe_graph, Job& job) {
  if (maybe_graph && maybe_graph->takes(batch)) return maybe_graph->run(batch, count);
  auto loss = loss_->sum(batch, &job);
  torch::autograd::backward({loss.sum.div(count)}, {});
  tensors_.collect_gradients();
  loss.reported = loss.told().detach().div(count);
  return loss;
}

// From the next backward pass on, each gradient goes its way to the other processes as soon as it is whole.
void Trainer::send_gradients() {
  sync_->begin();
  tensors_.collect_each([this](size_t place) { sync_->ready(place); });
}

// Leaves the gradient of the mean over everything in tensors_. all_count: of what it is a mean over, in all
// processes.
Trainer::Told Trainer::accumulate(const std::vector<Batch>& micro_batches, int64_t all_count,
                                  const StepOptions& options, Job& job) {
  const kernels::AsRecordedScope also_of_teachers;
  Told told;
  told.count = all_count;
  if (told.count == 0) throw Error("ERR_DATA", "Expected at least one target token in a step, received none");
  const auto count = static_cast<double>(told.count);
  tensors_.clear_gradients();
  auto* const graph = graph_for(micro_batches);
  if (graph) graph->begin();
  for (size_t i = 0; i < micro_batches.size(); i++) {
    const auto& batch = micro_batches[i];
    job.check();
    if (sync_ && i + 1 == micro_batches.size()) send_gradients();
    if (loss_->count(batch) == 0) continue;
    const auto number = static_cast<size_t>(options.first_micro_batch) + i;
    const nn::DropoutScope dropout(*model_->dropout(), dropout_key(seed_, options.step, number));
    told.parts.emplace_back(pass(batch, count, graph, job), told.readings);
  }
  const auto& gradients = tensors_.gradients();
  if (sync_) {
    tensors_.collect_each({});
    sync_->finish(job);
  }
  masks_.clear_gradients(gradients);
  return told;
}

StepResult Trainer::step(const std::vector<Batch>& micro_batches, const StepOptions& options, Job& job) {
  const kernels::DeterministicScope deterministic(deterministic_);
  try {
    return taken_step(micro_batches, options, job);
  } catch (const c10::OutOfMemoryError& error) {
    tensors_.clear_gradients();
    kernels::release_kept(model_->device());
    throw out_of_memory(error, memory_use(), {model_->device()});
  }
}

StepResult Trainer::taken_step(const std::vector<Batch>& micro_batches, const StepOptions& options,
                               Job& job) {
  StepResult result;
  for (const auto& batch : micro_batches) result.tokens += loss_->targets(batch);
  auto all = together({{"count", count(micro_batches)},
                       {"tokens", result.tokens},
                       {"real_tokens", options.real_tokens},
                       {"stop", options.stop ? 1 : 0}},
                      job);
  result.tokens = static_cast<int64_t>(all["tokens"]);
  result.real_tokens = static_cast<int64_t>(all["real_tokens"]);
  if (all["stop"] > 0) {
    result.refused = "stop";
    return result;
  }
  auto told = accumulate(micro_batches, static_cast<int64_t>(all["count"]), options, job);

  const at::NoGradGuard no_grad;
  const auto& gradients = tensors_.gradients();
  const size_t norms = told.readings.note(norms_of(gradients));
  const auto read = told.readings.read();
  const auto loss = together(told.mean(read), job);
  result.loss = loss.sum;
  result.figures = loss.figures;
  result.grad_norm = whole_norm(read, norms);
  result.refused = refusal(result, options);
  if (result.refused.empty()) {
    optimizer_->step(gradients, {options.lr, clip_scale(result.grad_norm, options.clip)});
    if (shares_state_) sync_->exchange(masters(), job);
    masks_.clear_weights();
    if (masks_.any() || !optimizer_->writes_weights()) tensors_.publish_masters();
  }
  tensors_.clear_gradients();
  return result;
}

Evaluation Trainer::evaluate(const Batch& batch, const Job* job) const {
  const kernels::DeterministicScope deterministic(deterministic_);
  return train::evaluate(*loss_, batch, job);
}

std::vector<models::NamedTensor> Trainer::gradients(const std::vector<Batch>& micro_batches, Job& job) {
  const kernels::DeterministicScope deterministic(deterministic_);
  auto all = together({{"count", count(micro_batches)}}, job);
  accumulate(micro_batches, static_cast<int64_t>(all["count"]), {}, job);
  std::vector<models::NamedTensor> named;
  const auto& gradients = tensors_.gradients();
  const bool copy = graph_ || sync_;  // whose memory is written again
  for (size_t i = 0; i < gradients.size(); i++)
    named.emplace_back(tensors_.all()[i].name, gradients[i].to(at::kFloat, /*non_blocking=*/false, copy));
  tensors_.clear_gradients();
  return named;
}

void Trainer::prune(kernels::MaskScope scope, double sparsity, Job& job) {
  job.check();
  masks_.grow(scope, sparsity, job);
  tensors_.publish_masters();
}

MemoryUse Trainer::memory_use() const {
  const auto bytes = [](const at::Tensor& tensor) { return static_cast<int64_t>(tensor.nbytes()); };
  MemoryUse use;
  use.weights = model_->bytes() + loss_->bytes();
  for (const auto& tensor : tensors_.all()) {
    if (!sync_) use.gradients += bytes(tensor.weight);
    if (!tensor.weight.is_same(tensor.master)) use.masters += bytes(tensor.master);
  }
  if (sync_) use.gradients = sync_->bytes();
  for (const auto& state : {optimizer_->state(), masks_.state()})
    for (const auto& [name, tensor] : state) use.state += bytes(tensor);
  return use;
}

}  // namespace tongueforge::train
