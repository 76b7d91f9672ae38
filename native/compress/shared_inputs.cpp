#include "compress/shared_inputs.h"

#include "core/error.h"

namespace tongueforge::compress {

std::string layer_key(const models::Block& block, size_t number, const models::Projection& projection) {
  return str("layers.", number, ".", projection.name.substr(block.prefix.size()));
}

std::vector<std::vector<models::Projection>> by_input(const models::Block& block) {
  return {{block.q, block.k, block.v}, {block.o}, block.widen, {block.narrow}};
}

std::vector<SharedInput> shared_inputs(const models::Block& block, size_t number,
                                       const std::set<std::string>& layers) {
  std::vector<SharedInput> all;
  for (const auto& group : by_input(block)) {
    SharedInput outer = {group.front().name, group.front().linear, {}, {}};
    std::vector<SharedInput> inner;
    for (const auto& projection : group) {
      if (!layers.contains(layer_key(block, number, projection))) continue;
      auto& [name, linear] = projection;
      nn::Linear* const maybe_layer = linear->bias.defined() ? nullptr : linear;
      if (auto& factors = linear->factors) {
        outer.matrices.push_back({name + ".in.weight", &factors->in_RI});
        inner.push_back(
            {name, linear, factors->in_RI, {{name + ".out.weight", &factors->out_OR, maybe_layer}}});
      } else {
        outer.matrices.push_back({name + ".weight", &linear->weight, maybe_layer});
      }
    }
    if (outer.matrices.empty()) continue;
    all.push_back(std::move(outer));
    all.insert(all.end(), inner.begin(), inner.end());
  }
  return all;
}

}  // namespace tongueforge::compress
