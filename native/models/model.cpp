#include "models/model.h"

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::models {

int64_t Model::bytes() const {
  int64_t total = 0;
  for (const auto& parameter : parameters())
    if (parameter.tensor->defined()) total += static_cast<int64_t>(parameter.tensor->nbytes());
  for (const auto& block : blocks())
    for (const auto& [name, linear] : block.linears())
      if (linear->execution) total += linear->execution->bytes();
  return total;
}

bool HiddenStates::keep(const std::vector<size_t>& behind, size_t passed, const at::Tensor& x_BTD) {
  bool kept = false;
  for (size_t i = 0; i < behind.size(); i++) {
    if (behind[i] != passed) continue;
    behind_BTD[i] = x_BTD;
    kept = true;
  }
  return kept;
}

HiddenStates Model::hidden_states(const Rows& rows, const std::vector<size_t>& behind, const Job* job) const {
  HiddenStates states = {{}, std::vector<at::Tensor>(behind.size())};
  states.last_BTD = embed(rows);
  states.keep(behind, 0, states.last_BTD);
  const size_t count = blocks().size();
  for (size_t i = 0; i < count; i++) {
    states.last_BTD = run_block(i, states.last_BTD, rows, job);
    states.keep(behind, i + 1, states.last_BTD);
  }
  return states;
}

void Model::keep_channels(const at::Tensor&) {
  throw Error("ERR_CONFIG", "Expected a decoder, whose width can be cut, received a model of another kind",
              "Leave hidden_size as it is.");
}

}  // namespace tongueforge::models
