// The tensors that training changes, and their gradients.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/model.h"

namespace tongueforge::train {

struct TrainedTensor {
  std::string name;
  at::Tensor weight;  // the model's own, in the dtype it computes in: gradients are taken of it
  at::Tensor master;  // float32: the values that are updated; the weight itself where that is float32
  bool decayed = false;
};

/// Names on disk of parameters that stay as they are: they get no gradient and no state.
using FrozenNames = std::set<std::string>;

class TrainedTensors {
 public:
  /// The parameters of a model that are not frozen, its adapters, and what is trained `beside` it. From now
  /// on the model computes in `compute`; the others stay float32. Matrices and embeddings are decayed; norms
  /// and biases only if `decay_all`. Throws ERR_CONFIG if nothing is left to train.
  TrainedTensors(models::Model& model, const std::vector<models::Parameter>& beside, at::ScalarType compute,
                 const FrozenNames& frozen, bool decay_all);
  ~TrainedTensors();
  TrainedTensors(const TrainedTensors&) = delete;
  TrainedTensors& operator=(const TrainedTensors&) = delete;

  const std::vector<TrainedTensor>& all() const { return all_; }

  /// From now on gradients are summed there: float32 tensors in the order of all().
  void sum_into(std::vector<at::Tensor> places);
  /// After sum_into: from now on each gradient of a backward pass is collected as soon as it is whole, and
  /// this hears of it by its place in all(). Empty: no longer.
  void collect_each(std::function<void(size_t)> collected) { collected_ = std::move(collected); }

  /// Takes what the last backward pass has left on the weights into the sums, and clears it there. Sums are
  /// float32; on a GPU, whose memory is dear, one gradient alone stays as it came.
  void collect_gradients();
  /// The sums, in the order of all(): zeros where no gradient came.
  const std::vector<at::Tensor>& gradients();
  void clear_gradients();
  /// The sums as they are, undefined where no gradient came; and such sums from elsewhere in their place,
  /// which what is collected is then added to.
  std::vector<at::Tensor> handed_out() const { return sums_; }
  void hand_in(const std::vector<at::Tensor>& sums) { sums_ = sums; }

  /// Rounds the updated masters into the weights, where the two are not one.
  void publish_masters();

 private:
  void add(const models::Parameter& parameter, at::ScalarType compute, bool decay_all);
  void collect(size_t i);

  std::vector<TrainedTensor> all_;
  std::vector<at::Tensor> sums_;    // undefined where no gradient came yet
  std::vector<at::Tensor> places_;  // where they are to lie; empty: anywhere
  std::function<void(size_t)> collected_;
};

}  // namespace tongueforge::train
