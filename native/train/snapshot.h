// A copy of all that a checkpoint holds, taken between two steps: it is written while training goes on.
#pragma once
#include <string>
#include <vector>

#include "core/job.h"
#include "core/value.h"
#include "models/coming_tensors.h"
#include "models/weights.h"

namespace tongueforge::train {

class Snapshot final : public Object {
 public:
  /// Copies every tensor: as much memory again as float32 weights and the optimizer's state take.
  explicit Snapshot(const std::vector<models::ComingTensor>& state);

  /// As Trainer::save_state().
  void save_state(const std::string& path, Job& job) const;

  int64_t bytes() const override;

 private:
  std::vector<models::NamedTensor> state_;
};

}  // namespace tongueforge::train
