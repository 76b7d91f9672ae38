#include "models/named_weights.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/aten.h"
#include "models/weights.h"

namespace tongueforge::models {
namespace {

constexpr int64_t kBlock = 32 << 20;  // bytes between two looks at the cancel flag

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

NamedWeights::NamedWeights(const checkpoint::ModelWeights& weights, const Model& model) {
  for (const auto& weight : weights.tensors()) {
    const auto [it, added] = by_name_.try_emplace(model.name_of(weight.name()), &weight);
    if (!added)
      throw Error("ERR_UNEXPECTED_TENSOR",
                  str(weights.folder(), " holds one tensor under two names: ", it->second->name(), " and ",
                      weight.name()),
                  "Save the model again with the library that made it.", {{"folder", weights.folder()}});
  }
}

const checkpoint::Weight* NamedWeights::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

std::set<std::string> NamedWeights::names() const {
  std::set<std::string> all;
  for (const auto& [name, weight] : by_name_) all.insert(name);
  return all;
}

at::Tensor read_tensor(const checkpoint::SafetensorsFile& file, const checkpoint::TensorInfo& info,
                       const Job& job) {
  auto tensor = at::empty(info.shape, scalar_type(info.dtype, info.name));
  auto* bytes = static_cast<char*>(tensor.data_ptr());
  const auto total = static_cast<int64_t>(info.num_bytes());
  for (int64_t at = 0; at < total; at += kBlock) {
    job.check();
    file.read_range(info, at, std::min(kBlock, total - at), bytes + at);
  }
  return tensor;
}

void check_shape(const Parameter& parameter, const std::vector<int64_t>& shape, const std::string& file) {
  if (shape == parameter.shape) return;
  throw Error("ERR_SHAPE_MISMATCH",
              str("Expected shape ", shape_text(parameter.shape), " for ", parameter.name, ", received ",
                  shape_text(shape)),
              "config.json and the weights disagree: take both from the same model.",
              {{"file", file}, {"tensor", parameter.name}});
}

}  // namespace tongueforge::models
