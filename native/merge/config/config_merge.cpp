#include "merge/config/config_merge.h"

namespace tongueforge::merge {

uint64_t ConfigMerge::peak_memory_bytes(size_t num_threads) const {
  StreamOptions options;
  options.num_threads = num_threads;
  return merge::peak_memory_bytes(output_, options);
}

ConfigMergeReport ConfigMerge::run(const std::string& staged_folder, Job& job, size_t num_threads) const {
  if (!problems_.empty()) throw problems_.front();
  StreamOptions options;
  options.identity = identity_;
  options.bytes_to_read = bytes_to_read_;
  options.num_threads = num_threads;
  const StreamReport streamed = stream(output_, staged_folder, options, job);
  for (const MergeModel& model : models_) model.check_unchanged();
  ConfigMergeReport report;
  report.tensors_copied = tensors_copied_;
  report.tensors_merged = num_tensors_ - tensors_copied_;
  report.bytes_read = streamed.bytes_read;
  report.bytes_written = streamed.bytes_written;
  report.bytes_resumed = streamed.bytes_resumed;
  for (const auto& file : streamed.sums)
    for (const PieceSums& sums : file) report.num_nonfinite += sums.graft.num_nonfinite;
  return report;
}

StreamCheck ConfigMerge::check(const std::string& folder, uint64_t max_chunks, uint64_t seed,
                               Job& job) const {
  if (!problems_.empty()) throw problems_.front();
  return check_stream(output_, folder, max_chunks, seed, {}, job);
}

Value to_value(const ConfigMergeReport& report) {
  return Value::Map{{"tensors_merged", report.tensors_merged}, {"tensors_copied", report.tensors_copied},
                    {"bytes_read", report.bytes_read},         {"bytes_written", report.bytes_written},
                    {"bytes_resumed", report.bytes_resumed},   {"nonfinite", report.num_nonfinite}};
}

}  // namespace tongueforge::merge
