#include "train/shared_adamw.h"

#include <map>

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::train {
namespace {

using distributed::Slice;

constexpr const char* kMoments[] = {"exp_avg.", "exp_avg_sq."};

class SharedAdamW final : public Optimizer {
 public:
  SharedAdamW(const std::vector<TrainedTensor>& tensors, const OptimizerOptions& options,
              distributed::GradientSync& sync)
      : tensors_(tensors), sync_(sync), slices_(sync.all_slices()) {
    own_.reserve(own_slices().size());
    for (const auto& slice : own_slices()) {
      const auto& tensor = tensors[slice.place];
      own_.push_back(
          {tensor.name, slice.of(tensor.weight.detach()), slice.of(tensor.master.detach()), tensor.decayed});
    }
    if (!own_.empty()) inner_ = make_adamw(own_, options);
  }

  void step(const std::vector<at::Tensor>& gradients, const Update& update) override {
    std::vector<at::Tensor> own;
    for (const auto& slice : own_slices()) own.push_back(slice.of(gradients[slice.place]));
    if (inner_) inner_->step(own, update);
    updates_++;
  }

  std::vector<models::NamedTensor> state() const override {
    return inner_ ? inner_->state() : std::vector<models::NamedTensor>();
  }

  // In the first process: the others send what is theirs, in this order.
  std::vector<models::ComingTensor> whole_state(Job& job) const override {
    std::vector<models::ComingTensor> whole;
    for (size_t place = 0; place < tensors_.size(); place++) {
      const auto& tensor = tensors_[place];
      for (const auto* moment : kMoments)
        whole.push_back({moment + tensor.name, at::kFloat, tensor.master.sizes().vec(),
                         [this, place, moment, &job] { return gather(place, moment, job); }});
      whole.push_back({"step." + tensor.name, at::kFloat, {}, [this] {
                         return at::full({}, static_cast<double>(updates_), at::kFloat);
                       }});
    }
    return whole;
  }

  // What a process has goes to all of them, as all take part in each collective; the first keeps it.
  void send_state(Job& job) const override {
    for (size_t place = 0; place < tensors_.size(); place++)
      for (const auto* moment : kMoments) gather(place, moment, job);
  }

  void load(const FindTensor& find) override {
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : state()) {
      const auto& slice = own_slices()[index_of(name)];
      if (tensor.dim() == 0)
        tensor.copy_(find(name, {}, at::kFloat));
      else
        tensor.copy_(slice.of(find(name, tensors_[slice.place].master.sizes(), at::kFloat)));
    }
    updates_ = static_cast<int64_t>(find("step." + tensors_[0].name, {}, at::kFloat).item<double>());
  }

 private:
  const std::vector<Slice>& own_slices() const { return slices_[static_cast<size_t>(sync_.group().rank())]; }

  std::map<std::string, at::Tensor> by_name() const {
    std::map<std::string, at::Tensor> all;
    for (const auto& [name, tensor] : state()) all[name] = tensor;
    return all;
  }

  // Of the slice that a part of the state, "<what>.<parameter>", belongs to.
  size_t index_of(const std::string& name) const {
    const auto parameter = name.substr(name.find('.') + 1);
    for (size_t i = 0; i < own_.size(); i++)
      if (own_[i].name == parameter) return i;
    throw Error("ERR_INTERNAL", str("No slice of ", name, " in the state of this process"));
  }

  at::Tensor gather(size_t place, const std::string& moment, Job& job) const {
    const auto& tensor = tensors_[place];
    const auto whole = at::zeros(tensor.master.sizes(), tensor.master.options());
    auto& group = sync_.group();
    for (int rank = 0; rank < group.size(); rank++) {
      for (const auto& slice : slices_[static_cast<size_t>(rank)]) {
        if (slice.place != place) continue;
        const auto part = slice.of(whole);
        if (rank == group.rank()) part.copy_(by_name().at(moment + tensor.name));
        if (rank > 0) group.wait(group.broadcast(part, rank), job);  // the first has its own
      }
    }
    return whole;
  }

  const std::vector<TrainedTensor>& tensors_;
  distributed::GradientSync& sync_;
  std::vector<std::vector<Slice>> slices_;  // of each process; of a tensor at most one each
  std::vector<TrainedTensor> own_;          // the slices of this one, under the names of their tensors
  std::unique_ptr<Optimizer> inner_;        // none where this process has no slice
  int64_t updates_ = 0;
};

}  // namespace

std::unique_ptr<Optimizer> make_shared_adamw(const std::vector<TrainedTensor>& tensors,
                                             const OptimizerOptions& options,
                                             distributed::GradientSync& sync) {
  if (options.kind != "adamw")
    throw Error("ERR_USAGE", str("Expected adamw for a state that is shared out, received ", options.kind),
                "Set distributed.zero to 0.");
  return std::make_unique<SharedAdamW>(tensors, options, sync);
}

}  // namespace tongueforge::train
