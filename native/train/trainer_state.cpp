// What a checkpoint keeps: the float32 weights, masks and the state of the optimizer, in one safetensors
// file.
#include <map>

#include "core/error.h"
#include "kernels/aten.h"
#include "train/trainer.h"

namespace tongueforge::train {

std::vector<models::NamedTensor> Trainer::state() const {
  auto tensors = optimizer_->state();
  for (auto& mask : masks_.state()) tensors.push_back(std::move(mask));
  for (const auto& tensor : tensors_.all())
    tensors.emplace_back("weight." + tensor.name, tensor.master.detach());
  return tensors;
}

void Trainer::save_state(const std::string& path, Job& job) const {
  models::save_tensors(path, state(), job);
}

std::shared_ptr<Snapshot> Trainer::snapshot() const { return std::make_shared<Snapshot>(state()); }

void Trainer::load_state(const std::string& path, Job& job) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> stored;
  for (auto& [name, tensor] : models::load_tensors(path, job)) stored[name] = tensor;
  for (auto& [name, tensor] : state()) {
    const auto it = stored.find(name);
    if (it == stored.end() || it->second.sizes() != tensor.sizes())
      throw Error("ERR_CHECKPOINT", str("Expected ", name, " of this model and optimizer in ", path),
                  "The checkpoint is of another model: start again with --overwrite.",
                  {{"file", path}, {"tensor", name}});
    tensor.copy_(it->second);
  }
  tensors_.publish_masters();
}

}  // namespace tongueforge::train
