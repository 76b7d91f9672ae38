// One optimizer step at a time on a decoder: loss, gradients, clipping, AdamW. The loop, the data and the
// schedule are the facade's.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/job.h"
#include "kernels/adamw.h"
#include "models/decoder.h"

namespace tongueforge::train {

/// Packed rows, (B,T) each. labels: the token that stands at each place where it is to be predicted from
/// those before it, else -100. segments: number of the document within its row.
struct Batch {
  at::Tensor ids_BT, labels_BT, segments_BT;  // int64
};

struct OptimizerOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  bool decay_all = false;  // false: matrices and embeddings only, norms and biases are not decayed
};

struct StepOptions {
  double lr = 0;
  double clip = 0;  // largest norm of the whole gradient, 0 = not clipped
};

struct StepResult {
  double loss = 0;       // mean over the target tokens of all micro-batches, before the update
  double grad_norm = 0;  // before clipping
  int64_t tokens = 0;    // targets
};

class Trainer final : public Object {
 public:
  /// Takes over a float32 model: its tensors become the parameters.
  Trainer(std::shared_ptr<models::Decoder> model, const OptimizerOptions& options);

  const models::Decoder& model() const { return *model_; }

  /// One update from the gradient of the mean loss over all micro-batches together: how they are cut does not
  /// change it. Throws ERR_NON_FINITE, with parameters and moments as they were, if loss or gradient is not
  /// finite.
  StepResult step(const std::vector<Batch>& micro_batches, const StepOptions& options, Job& job);

  /// Sum of the loss over the targets of a batch, and their number; nothing changes.
  std::pair<double, int64_t> evaluate(const Batch& batch, const Job* job = nullptr) const;

  /// Gradients of the last step's micro-batches, before clipping, under the names of their parameters.
  std::vector<std::pair<std::string, at::Tensor>> gradients(const std::vector<Batch>& micro_batches,
                                                            Job& job);

  /// Moments and step count, into one file; and back. Throws ERR_CHECKPOINT if it is of another model.
  void save_state(const std::string& path, Job& job) const;
  void load_state(const std::string& path, Job& job);

  int64_t bytes() const override;

 private:
  struct Group {
    std::vector<std::string> names;
    kernels::AdamWState state;
    double weight_decay = 0;
  };

  double accumulate(const std::vector<Batch>& micro_batches, int64_t targets, Job& job);
  double clip_gradients(double limit);
  void collect_gradients();
  void clear_gradients();

  std::shared_ptr<models::Decoder> model_;
  OptimizerOptions options_;
  std::vector<Group> groups_;  // decayed, not decayed
};

/// From rows of ids, labels and segments laid end to end. Throws ERR_DATA for sizes that do not match or ids
/// outside the vocabulary.
Batch make_batch(const std::vector<int32_t>& ids, const std::vector<int32_t>& labels,
                 const std::vector<int32_t>& segments, int64_t rows, int64_t vocab_size);

}  // namespace tongueforge::train
