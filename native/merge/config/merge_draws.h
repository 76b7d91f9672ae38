// Where each tensor of a merge takes its random numbers from, whichever thread makes it and when.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "merge/methods/draws.h"

namespace tongueforge::merge {

/// Ours: numbers that depend on seed and tensor. mergekit's: one sequence through all tensors.
class MergeDraws {
 public:
  MergeDraws(uint64_t seed, bool compat) : seed_(seed), compat_(compat), sequence_(seed) {}

  /// `position`: where the tensor begins in the one sequence. `check` throws where the job has been
  /// cancelled.
  std::unique_ptr<Draws> of(const std::string& tensor, uint64_t position,
                            const std::function<void()>& check) {
    if (!compat_) return std::make_unique<CounterDraws>(seed_, tensor);
    std::lock_guard lock(mutex_);
    return std::make_unique<TorchDraws>(sequence_.at(position, check));
  }

 private:
  uint64_t seed_;
  bool compat_;
  std::mutex mutex_;
  TorchSequence sequence_;
};

}  // namespace tongueforge::merge
