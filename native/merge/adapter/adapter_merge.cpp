#include "merge/adapter/adapter_merge.h"

#include <algorithm>

#include "merge/stream/identity.h"

namespace tongueforge::merge {

AdapterMergeReport AdapterMerge::run(const std::string& staged_folder, Job& job) const {
  if (!problems_.empty()) throw problems_.front();
  StreamOptions options;
  options.identity = identity_of("adapter merge", {&model_}) + identity_of(adapter_) + settings_;
  options.bytes_to_read = bytes_to_read_;
  const StreamReport done = stream(output_, staged_folder, options, job);
  model_.check_unchanged();
  adapter_.check_unchanged();
  AdapterMergeReport report;
  report.bytes_read = done.bytes_read;
  report.bytes_written = done.bytes_written;
  done.for_each_piece(output_, [&](const PlacedPiece& placed, const PieceSums& sums) {
    const Fate fate = fates_.at(placed.name);
    if (fate == Fate::copied) ++report.tensors_copied;
    if (fate == Fate::replaced) ++report.tensors_replaced;
    if (fate != Fate::merged) return;
    ++report.tensors_merged;
    const RoundingSums& rounding = sums.rounding;
    report.rounding.add(rounding);
    if (rounding.max_value > 0)
      report.max_relative_error =
          std::max(report.max_relative_error, rounding.max_error / rounding.max_value);
  });
  return report;
}

Value to_value(const AdapterMergeReport& report) {
  const auto& [max_error, max_value, sum_error, sum_value, num_nonfinite] = report.rounding;
  const double mean = sum_value > 0 ? sum_error / sum_value : 0;
  return Value::Map{
      {"tensors_merged", report.tensors_merged},
      {"tensors_replaced", report.tensors_replaced},
      {"tensors_copied", report.tensors_copied},
      {"bytes_read", report.bytes_read},
      {"bytes_written", report.bytes_written},
      {"nonfinite", num_nonfinite},
      {"rounding", Value::Map{{"max_relative", report.max_relative_error}, {"mean_relative", mean}}}};
}

}  // namespace tongueforge::merge
