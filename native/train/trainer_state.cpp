// What a checkpoint keeps: the float32 weights, masks and the state of the optimizer, in one safetensors
// file.
#include "core/error.h"
#include "kernels/aten.h"
#include "train/trainer.h"

namespace tongueforge::train {

// What is not the optimizer's.
std::vector<models::NamedTensor> Trainer::own_state() const {
  auto tensors = masks_.state();
  for (const auto& tensor : tensors_.all())
    tensors.emplace_back("weight." + tensor.name, tensor.master.detach());
  return tensors;
}

std::vector<models::ComingTensor> Trainer::whole_state(Job& job) const {
  auto tensors = optimizer_->whole_state(job);
  for (const auto& tensor : own_state()) tensors.push_back(models::ComingTensor::of(tensor));
  return tensors;
}

void Trainer::save_state(const std::string& path, Job& job) const {
  models::save_coming(path, whole_state(job), job);
}

std::shared_ptr<Snapshot> Trainer::snapshot(Job& job) const {
  return std::make_shared<Snapshot>(whole_state(job));
}

void Trainer::send_state(Job& job) const { optimizer_->send_state(job); }

void Trainer::load_state(const std::string& path, Job& job) {
  const at::NoGradGuard no_grad;
  const models::StoredTensors stored(path);
  const auto find = [&](const std::string& name, at::IntArrayRef shape, at::ScalarType dtype) {
    const auto tensor = stored.read(name, job);
    // Of another dtype they would be rounded, and the training another one from here on.
    if (tensor.defined() && tensor.sizes() == shape && tensor.scalar_type() == dtype) return tensor;
    throw Error("ERR_CHECKPOINT", str("Expected ", name, " of this model and optimizer in ", path),
                "The checkpoint is of another model: start again with --overwrite.",
                {{"file", path}, {"tensor", name}});
  };
  optimizer_->load(find);
  for (auto& [name, tensor] : own_state()) tensor.copy_(find(name, tensor.sizes(), tensor.scalar_type()));
  tensors_.publish_masters();
}

}  // namespace tongueforge::train
