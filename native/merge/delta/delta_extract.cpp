#include "merge/delta/delta_extract.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <mutex>
#include <thread>

#include "checkpoint/block_sums.h"
#include "merge/stream/identity.h"

namespace tongueforge::merge {
DeltaFigures DeltaExtraction::run(const std::string& staged_folder, Job& job, size_t num_threads) const {
  if (!problems_.empty()) throw problems_.front();
  StreamOptions options;
  options.identity = identity();
  options.num_threads = num_threads;
  // What is measured afterwards counts as reading: four bytes an element.
  for (const MeasuredInput& input : inputs_of_tensors_)
    options.bytes_to_read += 4 * input.difference.num_elements();
  stream(output_, staged_folder, options, job);

  uint64_t done = output_.bytes_to_write();
  const uint64_t total = done + options.bytes_to_read;
  std::mutex mutex;
  const auto measured = [&](uint64_t elements) {
    std::lock_guard lock(mutex);
    done += 4 * elements;
    job.progress(Value::Map{{"done_bytes", done}, {"total_bytes", total}});
  };
  const std::string path = (std::filesystem::path(staged_folder) / kDeltaFileName).string();
  const size_t threads =
      num_threads > 0 ? num_threads : std::clamp<size_t>(std::thread::hardware_concurrency(), 1, 8);
  checkpoint::write_block_sums(path, threads, [&] { job.check(); });
  const auto file = DeltaFile::open(path);
  const DeltaFigures figures = measure_delta(file, inputs_of_tensors_, threads, job, measured);
  base_.check_unchanged();
  chat_.check_unchanged();
  return figures;
}

std::string DeltaExtraction::identity() const {
  const DeltaSettings& settings = inputs_.settings;
  std::string text = str(identity_of("delta", {&base_, &chat_}), inputs_.base.tied, inputs_.chat.tied, '\n',
                         settings.codec, ' ', std::bit_cast<uint64_t>(settings.density), ' ', settings.group,
                         ' ', identity_of(inputs_.base_rows), '\n');
  for (const int32_t row : inputs_.own_rows) text += str(row, ' ');
  for (const auto& [name, rank] : inputs_.ranks) text += str(name, ' ', rank, '\n');
  return text;
}

}  // namespace tongueforge::merge
