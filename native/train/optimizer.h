// From gradients to updates. To add one: a file like adamw.cpp and a row in make_optimizer.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/job.h"
#include "models/coming_tensors.h"
#include "models/weights.h"
#include "train/trained_tensors.h"

namespace tongueforge::train {

struct OptimizerOptions {
  std::string kind = "adamw";
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  bool decay_all = false;  // false: matrices and embeddings only, norms and biases are not decayed
  double decay_rate = 0.8, clip_threshold = 1.0;  // of adafactor
};

/// What differs from update to update.
struct Update {
  double lr;
  double scale = 1;  // multiplies the gradients
};

/// A part of a stored state by name, shape and dtype. Throws where there is none.
using FindTensor =
    std::function<at::Tensor(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype)>;

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update of all masters. gradients: in the order of the tensors it was made for, each in float32 or in
  /// the dtype of its weight; they may come back scaled.
  virtual void step(const std::vector<at::Tensor>& gradients, const Update& update) = 0;

  /// Whether an update also rounds the masters into the weights.
  virtual bool writes_weights() const { return false; }

  /// All that an exact resume needs besides the masters, as "<what>.<parameter>"; of a state that is shared
  /// out, what this process has.
  virtual std::vector<models::NamedTensor> state() const = 0;

  /// The whole of it. Of a state that is shared out only the first process may ask for it, tensor by tensor
  /// in this order, while each of the others sends its own.
  virtual std::vector<models::ComingTensor> whole_state(Job& job) const;
  virtual void send_state(Job&) const {}

  /// Takes the whole over from elsewhere, or what of it is this process's own.
  virtual void load(const FindTensor& find);
};

/// AdamW with two float32 moments (Loshchilov & Hutter 2019, arXiv 1711.05101).
std::unique_ptr<Optimizer> make_adamw(const std::vector<TrainedTensor>& tensors,
                                      const OptimizerOptions& options);

/// Adafactor at a given learning rate, the last two dimensions factored where there are two; a first moment
/// where beta1 is above 0 (Shazeer & Stern 2018, arXiv 1804.04235). beta2 is 1 - step^-decay_rate.
std::unique_ptr<Optimizer> make_adafactor(const std::vector<TrainedTensor>& tensors,
                                          const OptimizerOptions& options);

/// By kind: adamw, adafactor. Throws ERR_USAGE for others.
std::unique_ptr<Optimizer> make_optimizer(const std::vector<TrainedTensor>& tensors,
                                          const OptimizerOptions& options);

}  // namespace tongueforge::train
