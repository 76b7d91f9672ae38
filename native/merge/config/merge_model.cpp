#include "merge/config/merge_model.h"

#include <bit>

#include "merge/stream/identity.h"

namespace tongueforge::merge {
namespace {

constexpr std::string_view kPrefix = "base_model.model.", kWeight = ".weight";

}  // namespace

MergeModel::MergeModel(const MergeModelOptions& options)
    : weights_(checkpoint::ModelWeights::open(options.folder)) {
  if (!options.adapter) return;
  const auto& [path, modules] = *options.adapter;
  adapter_ = std::make_unique<checkpoint::SafetensorsFile>(checkpoint::SafetensorsFile::open(path));
  for (const LowRankSpec& spec : modules) scales_.emplace(spec.module, spec.scale);
  problems_ = AdapterMerge(options.folder, path, modules, options.tied).problems();
}

std::optional<ModelTensor> MergeModel::find(const std::string& name) const {
  const checkpoint::Weight* const weight = weights_.find(name);
  if (!weight) return std::nullopt;
  ModelTensor tensor{*weight, {}, {}, 0};
  if (!adapter_) return tensor;
  if (const auto* replacement = in_adapter(name, "")) tensor.weight = {replacement, adapter_.get()};
  if (!name.ends_with(kWeight)) return tensor;
  const std::string module = name.substr(0, name.size() - kWeight.size());
  const auto scale = scales_.find(module);
  if (scale == scales_.end()) return tensor;
  tensor.a = {in_adapter(module, ".lora_A.weight"), adapter_.get()};
  tensor.b = {in_adapter(module, ".lora_B.weight"), adapter_.get()};
  tensor.scale = scale->second;
  return tensor;
}

const checkpoint::TensorInfo* MergeModel::in_adapter(std::string_view module, std::string_view suffix) const {
  return adapter_->find(str(kPrefix, module, suffix));
}

std::string MergeModel::identity() const {
  std::string text = identity_of(weights_);
  if (!adapter_) return text;
  text += identity_of(*adapter_);
  for (const auto& [module, scale] : scales_) text += str(module, ' ', std::bit_cast<uint64_t>(scale), '\n');
  return text;
}

void MergeModel::check_unchanged() const {
  weights_.check_unchanged();
  if (adapter_) adapter_->check_unchanged();
}

}  // namespace tongueforge::merge
