// One optimizer step at a time on a model: loss, gradients, clipping, update. The loop, the data and the
// schedule are the facade's.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/job.h"
#include "distributed/gradient_sync.h"
#include "kernels/block_cache.h"
#include "models/model.h"
#include "models/weights.h"
#include "train/batch.h"
#include "train/loss.h"
#include "train/masks.h"
#include "train/memory_use.h"
#include "train/optimizer.h"
#include "train/snapshot.h"
#include "train/step_graph.h"
#include "train/trained_tensors.h"

namespace tongueforge::train {

/// Several processes that train one model, each on its share of every update.
struct TogetherOptions {
  std::shared_ptr<distributed::Group> group;  // none: this process alone
  int64_t bucket_bytes = 25 << 20;            // of gradients that are sent at once
  bool share_state = false;                   // each keeps the moments of its part of the weights alone
};

struct TrainerOptions {
  OptimizerOptions optimizer;
  LossOptions loss;
  at::ScalarType compute = at::ScalarType::Float;  // of weights and arithmetic; what is updated is float32
  FrozenNames frozen;
  uint64_t seed = 0;              // of dropout
  bool recompute_blocks = false;  // activation checkpointing: backward runs each block's forward pass again
  Masking masks = Masking::none;  // of the weights and biases of linear layers in blocks
  bool deterministic = false;     // on a GPU, the same bytes for the same steps
  bool graph = false;  // on a GPU, the passes of a step are recorded and replayed, where they can be
  nn::EncoderDropout dropout{};  // adapters have their own
  TogetherOptions together{};
};

struct StepOptions {
  double lr = 0;
  double clip = 0;   // largest norm of the whole gradient, 0 = not clipped
  int64_t step = 0;  // number of the update: with the seed it decides what dropout drops
  // An update above one of them is a spike, and refused.
  double loss_limit = std::numeric_limits<double>::infinity();
  double grad_norm_limit = std::numeric_limits<double>::infinity();
  int64_t first_micro_batch =
      0;                    // number of the first one in its update, which has those of other processes too
  int64_t real_tokens = 0;  // in the micro-batches, as the caller counts them
  bool stop = false;        // take no step: in none of the processes
};

struct StepResult {
  double loss = 0;       // mean over what the loss counts in all micro-batches, before the update
  double grad_norm = 0;  // before clipping
  int64_t tokens = 0;    // target tokens
  int64_t real_tokens = 0;
  std::string
      refused;      // non_finite, spike or stop: weights and moments are as they were; empty: it was taken
  Figures figures;  // means, as the loss
};

class Trainer final : public Object {
 public:
  /// Takes over a model: its tensors, but the frozen ones, become the parameters, in the dtype to compute in;
  /// its adapters too.
  Trainer(std::shared_ptr<models::Model> model, const TrainerOptions& options);

  const models::Model& model() const { return *model_; }
  /// With other processes; else null.
  const distributed::GradientSync* sync() const { return sync_.get(); }

  /// One update from the gradient of the mean loss over all micro-batches together, those of other processes
  /// included: how they are cut does not change it, and all have the same result. Throws ERR_DATA if there is
  /// nothing to learn in them, and ERR_OUT_OF_MEMORY where a GPU has no room for it: nothing has changed
  /// then, and what the step took is free again.
  StepResult step(const std::vector<Batch>& micro_batches, const StepOptions& options, Job& job);

  /// The loss on a batch; nothing changes.
  Evaluation evaluate(const Batch& batch, const Job* job = nullptr) const;

  /// Gradients of the mean loss over these micro-batches, before clipping, under the names of their
  /// parameters.
  std::vector<models::NamedTensor> gradients(const std::vector<Batch>& micro_batches, Job& job);

  /// Makes the smallest weights zero, to stay so: as Masks::grow().
  void prune(kernels::MaskScope scope, double sparsity, Job& job);
  Masks::Counts masked() const { return masks_.counts(); }

  /// Everything that training changes, float32 weights included, into one file; and back.
  /// Throws ERR_CHECKPOINT if it is of another model or optimizer.
  void save_state(const std::string& path, Job& job) const;
  void load_state(const std::string& path, Job& job);

  /// A copy of all of that, to be saved later: nothing that follows changes it.
  std::shared_ptr<Snapshot> snapshot(Job& job) const;

  /// Where the state is shared out, the first process alone may save it or copy it, while each of the others
  /// does this.
  void send_state(Job& job) const;

  MemoryUse memory_use() const;
  int64_t bytes() const override { return memory_use().total(); }

 private:
  /// What the losses of the micro-batches told, not read yet.
  struct Told {
    int64_t count = 0;  // of the things that they are sums over, in all processes
    Readings readings;
    std::vector<NotedLoss> parts;

    Evaluation mean(const std::vector<double>& read) const;
  };

  std::vector<models::NamedTensor> own_state() const;
  std::vector<models::ComingTensor> whole_state(Job& job) const;
  StepResult taken_step(const std::vector<Batch>& micro_batches, const StepOptions& options, Job& job);
  StepGraph* graph_for(const std::vector<Batch>& micro_batches);
  LossSum pass(const Batch& batch, double count, StepGraph* maybe_graph, Job& job);
  Told accumulate(const std::vector<Batch>& micro_batches, int64_t count, const StepOptions& options,
                  Job& job);
  std::unique_ptr<distributed::GradientSync> make_sync(const TogetherOptions& options) const;
  std::unique_ptr<Optimizer> make_optimizer(const TrainerOptions& options) const;
  std::vector<at::Tensor> masters() const;
  void send_gradients();
  int64_t count(const std::vector<Batch>& micro_batches) const;
  Figures together(const Figures& figures, const Job& job) const;
  Evaluation together(const Evaluation& own, const Job& job) const;

  kernels::BlockCacheUse blocks_;  // ends last: then the memory of all the others goes back at once
  std::shared_ptr<models::Model> model_;
  std::unique_ptr<Loss> loss_;
  TrainedTensors tensors_;
  Masks masks_;
  std::unique_ptr<distributed::GradientSync> sync_;  // none: this process alone
  std::unique_ptr<Optimizer> optimizer_;
  bool shares_state_;
  uint64_t seed_;
  bool deterministic_, wants_graph_;
  std::unique_ptr<StepGraph> graph_;
};

}  // namespace tongueforge::train
