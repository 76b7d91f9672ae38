#include "models/model.h"

namespace tongueforge::models {

int64_t Model::bytes() const {
  int64_t total = 0;
  for (const auto& parameter : parameters()) total += static_cast<int64_t>(parameter.tensor->nbytes());
  for (const auto& block : blocks())
    for (const auto& [name, linear] : block.linears())
      if (linear->execution) total += linear->execution->bytes();
  return total;
}

}  // namespace tongueforge::models
