#include "train/snapshot.h"

#include "kernels/aten.h"

namespace tongueforge::train {

Snapshot::Snapshot(const std::vector<models::ComingTensor>& state) {
  const at::NoGradGuard no_grad;
  for (const auto& coming : state) {
    const auto tensor = coming.get().detach();
    state_.emplace_back(coming.name,
                        tensor.to(at::kCPU, tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/true));
  }
}

void Snapshot::save_state(const std::string& path, Job& job) const {
  models::save_tensors(path, state_, job);
}

int64_t Snapshot::bytes() const {
  int64_t total = 0;
  for (const auto& [name, tensor] : state_) total += static_cast<int64_t>(tensor.nbytes());
  return total;
}

}  // namespace tongueforge::train
