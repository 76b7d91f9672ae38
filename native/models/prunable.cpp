#include "models/prunable.h"

namespace tongueforge::models {
namespace {

std::string parent_of(const std::string& name) { return name.substr(0, name.rfind('.')); }

}  // namespace

std::set<std::string> prunable_names(const Model& model) {
  std::set<std::string> layers, names;
  for (const auto& block : model.blocks())
    for (const auto& projection : block.linears()) layers.insert(projection.name);
  for (const auto& parameter : model.parameters()) {
    const auto owner = parent_of(parameter.name);  // X of X.weight and X.bias, X.in of X.in.weight
    if (layers.contains(owner) || layers.contains(parent_of(owner))) names.insert(parameter.name);
  }
  return names;
}

}  // namespace tongueforge::models
