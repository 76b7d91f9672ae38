#include "models/coming_tensors.h"

#include "checkpoint/safetensors_writer.h"
#include "kernels/aten.h"

namespace tongueforge::models {

ComingTensor ComingTensor::of(const NamedTensor& named) {
  const auto& [name, tensor] = named;
  return {name, tensor.scalar_type(), tensor.sizes().vec(), [tensor = tensor] { return tensor; }};
}

void save_coming(const std::string& path, const std::vector<ComingTensor>& tensors, Job& job) {
  std::vector<checkpoint::TensorSpec> specs;
  for (const auto& tensor : tensors) specs.push_back({tensor.name, dtype_of(tensor.dtype), tensor.shape});
  checkpoint::SafetensorsWriter writer(path, checkpoint::plan_file(specs, {{"format", "pt"}}));
  for (const auto& tensor : tensors) {
    job.check();
    const auto plain = tensor.get().detach().cpu().contiguous();
    writer.write(tensor.name, plain.data_ptr(), plain.nbytes());
  }
  writer.finish();
}

at::Tensor StoredTensors::read(const std::string& name, Job& job) const {
  job.check();
  const auto* info = file_.find(name);
  if (!info) return {};
  auto tensor = at::empty(info->shape, scalar_type(info->dtype, info->name));
  file_.read(*info, tensor.data_ptr());
  return tensor;
}

}  // namespace tongueforge::models
