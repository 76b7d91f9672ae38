// The sequences of one batch that have not ended, and what each has said.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/job.h"
#include "generate/generator.h"

namespace tongueforge::generate {

class Sequences {
 public:
  /// The prompts of these rows, all of one length; what is new goes into `results`, by row.
  Sequences(const std::vector<std::vector<int32_t>>& prompts, std::vector<size_t> rows,
            const GenerateOptions& options, Job& job, std::vector<Generated>& results);

  size_t size() const { return rows_.size(); }
  /// Prompt and new tokens of each.
  const std::vector<std::vector<int32_t>>& contexts() const { return contexts_; }

  /// One token for each: those that a stop id ends leave. Gives the places, before, of those that stay.
  std::vector<int64_t> add(std::span<const int32_t> tokens);

 private:
  bool is_stop(int32_t token) const;

  const GenerateOptions& options_;
  Job& job_;
  std::vector<Generated>& results_;
  std::vector<size_t> rows_;
  std::vector<std::vector<int32_t>> contexts_;
};

/// The entries at these places, in their order.
template <class T>
std::vector<T> picked(std::vector<T>&& all, const std::vector<int64_t>& places) {
  std::vector<T> kept;
  for (const int64_t place : places) kept.push_back(std::move(all[static_cast<size_t>(place)]));
  return kept;
}

}  // namespace tongueforge::generate
