#include "kernels/adamw.h"

#include "kernels/aten.h"
#include "train/optimizer.h"

namespace tongueforge::train {
namespace {

// Tensors that share their decay, updated in one call.
struct Group {
  std::vector<std::string> names;
  std::vector<size_t> places;  // in the list of all tensors
  kernels::AdamWState state;
  double weight_decay = 0;

  void add(const TrainedTensor& tensor, size_t place) {
    names.push_back(tensor.name);
    places.push_back(place);
    state.masters.push_back(tensor.master);
    state.first_moments.push_back(at::zeros_like(tensor.master).detach());
    state.second_moments.push_back(at::zeros_like(tensor.master).detach());
    if (tensor.master.is_cuda()) state.weights.push_back(tensor.weight);  // rounded in the same pass
  }

  std::vector<at::Tensor> of_group(const std::vector<at::Tensor>& of_all) const {
    std::vector<at::Tensor> mine;
    for (const size_t place : places) mine.push_back(of_all[place]);
    return mine;
  }
};

class AdamW final : public Optimizer {
 public:
  AdamW(const std::vector<TrainedTensor>& tensors, const OptimizerOptions& options)
      : options_(options), count_(at::zeros({}, tensors.front().master.options())), groups_(2) {
    groups_[0].weight_decay = options.weight_decay;
    for (size_t i = 0; i < tensors.size(); i++) groups_[tensors[i].decayed ? 0 : 1].add(tensors[i], i);
  }

  void step(const std::vector<at::Tensor>& gradients, const Update& given) override {
    const at::NoGradGuard no_grad;
    count_.add_(1);
    kernels::AdamWUpdate update = {at::scalar_tensor(given.lr, count_.options().dtype(at::kDouble)), count_};
    if (given.scale != 1) update.scale = at::scalar_tensor(given.scale, count_.options());
    for (auto& group : groups_)
      kernels::adamw_(group.state, group.of_group(gradients), update,
                      {options_.beta1, options_.beta2, options_.eps, group.weight_decay});
  }

  bool writes_weights() const override { return count_.is_cuda(); }

  std::vector<models::NamedTensor> state() const override {
    std::vector<models::NamedTensor> tensors;
    for (const auto& group : groups_)
      for (size_t i = 0; i < group.names.size(); i++) {
        tensors.emplace_back("exp_avg." + group.names[i], group.state.first_moments[i]);
        tensors.emplace_back("exp_avg_sq." + group.names[i], group.state.second_moments[i]);
        tensors.emplace_back("step." + group.names[i], count_);  // all have seen the same updates
      }
    return tensors;
  }

 private:
  OptimizerOptions options_;
  at::Tensor count_;           // of updates, float32
  std::vector<Group> groups_;  // decayed, not decayed
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const std::vector<TrainedTensor>& tensors,
                                      const OptimizerOptions& options) {
  return std::make_unique<AdamW>(tensors, options);
}

}  // namespace tongueforge::train
