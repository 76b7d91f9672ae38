#include "generate/sequences.h"

#include <algorithm>

namespace tongueforge::generate {

Sequences::Sequences(const std::vector<std::vector<int32_t>>& prompts, std::vector<size_t> rows,
                     const GenerateOptions& options, Job& job, std::vector<Generated>& results)
    : options_(options), job_(job), results_(results), rows_(std::move(rows)) {
  for (const size_t row : rows_) contexts_.push_back(prompts[row]);
}

bool Sequences::is_stop(int32_t token) const {
  return std::find(options_.stop_ids.begin(), options_.stop_ids.end(), token) != options_.stop_ids.end();
}

std::vector<int64_t> Sequences::add(std::span<const int32_t> tokens) {
  std::vector<int64_t> going;
  for (size_t i = 0; i < rows_.size(); i++) {
    const int32_t token = tokens[i];
    auto& result = results_[rows_[i]];
    result.stopped = is_stop(token);
    if (result.stopped) continue;
    result.ids.push_back(token);
    contexts_[i].push_back(token);
    going.push_back(static_cast<int64_t>(i));
    if (options_.stream)
      job_.emit(Value::Map{{"row", static_cast<int64_t>(rows_[i])}, {"id", int64_t{token}}});
  }
  if (going.size() == rows_.size()) return going;
  rows_ = picked(std::move(rows_), going);
  contexts_ = picked(std::move(contexts_), going);
  return going;
}

}  // namespace tongueforge::generate
