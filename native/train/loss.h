// What training makes small. A loss is a sum over some countable things of a batch, so that its mean over an
// update does not depend on how the update is cut into micro-batches. To add one: a file like
// language_loss.cpp and a row in make_loss.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/job.h"
#include "kernels/linear_cross_entropy.h"
#include "models/model.h"
#include "train/batch.h"
#include "train/distillation_loss.h"
#include "train/preference_loss.h"
#include "train/readings.h"

namespace tongueforge::train {

struct LossOptions {
  std::string kind = "language";
  PreferenceOptions preference{};
  DistillationLossOptions distillation{};
  double z_loss = 0;  // language, masked: adds z_loss * log(sum exp(logits))^2 for each target
};

/// Figures worth knowing beside the loss, summed over the same things.
using Figures = std::map<std::string, double>;

struct LossSum {
  at::Tensor sum;                             // scalar float32, differentiable
  std::map<std::string, at::Tensor> figures;  // scalars without a graph, not read yet
  /// What is told instead of sum, where more is made small than the loss itself; without a graph.
  at::Tensor reported{};

  const at::Tensor& told() const { return reported.defined() ? reported : sum; }
};

/// Of a loss of tokens: z-loss, where there is one, is made small beside the loss and told as a figure.
LossSum told_apart(const kernels::CrossEntropyParts& parts, double z_loss);

/// Sums over a batch, and what they are sums over.
struct Evaluation {
  double sum = 0;
  int64_t count = 0;
  Figures figures;
};

/// Where what a loss told stands among numbers that are yet to be read.
struct NotedLoss {
  size_t loss;
  std::map<std::string, size_t> figures;

  NotedLoss(const LossSum& told, Readings& readings);
  /// Adds it, as it was read.
  void add_to(Evaluation& total, const std::vector<double>& read) const;
};

class FixedLoss;

/// Of one model, which must outlive it. Batches are on the CPU, whatever its device is.
class Loss {
 public:
  virtual ~Loss() = default;

  /// Number of things that the loss of this batch is a sum over: target tokens, or pairs.
  virtual int64_t count(const Batch& batch) const = 0;

  /// Number of its target tokens, or places of sound: other than count() where it is a sum over pairs.
  virtual int64_t targets(const Batch& batch) const { return count(batch); }

  /// What is trained beside the model, and is no part of it: its tensors must live as long as the loss.
  virtual std::vector<models::Parameter> parameters() { return {}; }

  /// Of what it holds beside the model.
  virtual int64_t bytes() const { return 0; }

  /// The same loss of batches (B,T) for a step that is recorded (train/fixed_loss.h); null where it has none.
  virtual std::unique_ptr<FixedLoss> fixed(int64_t rows, int64_t time) const;

  /// The sum over a batch with a count above 0. A job is asked before every layer whether it was cancelled.
  virtual LossSum sum(const Batch& batch, const Job* job) const = 0;
};

/// Negative log-likelihood of the target tokens. z-loss is made small beside it and told as a figure.
std::unique_ptr<Loss> make_language_loss(const LossOptions& options, const models::Model& model);

/// Negative log-likelihood of hidden tokens, or of the clusters of hidden sound, each at its own place:
/// labels are not shifted. z-loss as above.
std::unique_ptr<Loss> make_masked_loss(const LossOptions& options, const models::Model& model);

/// Chosen before rejected answers: the mean over pairs. Batches hold whole pairs, segments 2k and 2k+1 of a
/// row.
std::unique_ptr<Loss> make_preference_loss(const LossOptions& options, const models::Model& model);

/// What a teacher says of the target tokens, beside the tokens themselves: kernels/linear_distillation.h.
std::unique_ptr<Loss> make_distillation_loss(const LossOptions& options, const models::Model& model);

/// What a loss says of a batch; nothing is recorded for a gradient.
Evaluation evaluate(const Loss& loss, const Batch& batch, const Job* job);

/// By kind: language, masked, preference, distillation. Throws ERR_USAGE for others, ERR_MODEL_CONFIG for
/// models that it is not for.
std::unique_ptr<Loss> make_loss(const LossOptions& options, const models::Model& model);

}  // namespace tongueforge::train
