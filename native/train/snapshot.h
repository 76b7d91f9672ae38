// A copy of all that a checkpoint holds, taken between two steps: it is written while training goes on.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/job.h"
#include "models/decoder.h"
#include "models/weights.h"

namespace tongueforge::train {

class Snapshot final : public Object {
 public:
  /// Copies every tensor: as much memory again as weights, masters and moments take.
  Snapshot(const models::Decoder& model, const std::vector<models::NamedTensor>& state);

  const models::Decoder& model() const { return *model_; }
  /// As Trainer::save_state().
  void save_state(const std::string& path, Job& job) const;

  int64_t bytes() const override;

 private:
  std::shared_ptr<models::Decoder> model_;
  std::vector<models::NamedTensor> state_;
};

}  // namespace tongueforge::train
