#include "merge/graft.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "checkpoint/shard_index.h"

namespace tongueforge::merge {
namespace {

using checkpoint::PosixFile;
using checkpoint::Weight;

constexpr size_t kChunkBytes = size_t{8} << 20;
constexpr size_t kChunkElements = kChunkBytes / 4;  // of the widest type
static_assert(kChunkElements % kGraftBlock == 0);

class Graft {
 public:
  Graft(const GraftPlan& plan, const std::string& folder, float scale, Job& job)
      : plan_(plan), folder_(folder), scale_(scale), job_(job) {
    for (auto& buffer : buffers_) buffer = std::make_unique_for_overwrite<char[]>(kChunkBytes);
  }

  GraftReport run() {
    for (const GraftFile& file : plan_.files) write_file(file);
    if (plan_.target->is_sharded()) copy_index();
    for (const checkpoint::ModelWeights* model : {plan_.target, plan_.base, plan_.chat})
      model->check_unchanged();
    return report_;
  }

 private:
  std::string path_of(const std::string& name) const {
    return (std::filesystem::path(folder_) / name).string();
  }

  void write_file(const GraftFile& file) {
    const checkpoint::SafetensorsFile& source = file.source->file;
    PosixFile out = PosixFile::create(path_of(file.source->name));
    out.preallocate(source.file_size());
    const std::string header = source.read_header_bytes();
    out.pwrite_exact(header.data(), header.size(), 0);
    count(header.size(), header.size());
    for (const GraftStep& step : file.steps) {
      const uint64_t at = source.data_begin() + step.target.info->begin;
      if (step.is_copy()) {
        copy(step, out, at);
      } else {
        blend(step, out, at);
      }
    }
    job_.check();
    out.sync();
    out.close();
  }

  void copy(const GraftStep& step, PosixFile& out, uint64_t at) {
    const uint64_t num_bytes = step.target.num_bytes();
    for (uint64_t offset = 0; offset < num_bytes; offset += kChunkBytes) {
      job_.check();
      const size_t part = std::min<uint64_t>(kChunkBytes, num_bytes - offset);
      step.target.read_range(offset, part, buffers_[0].get());
      write(out, at + offset, part, part);
    }
    ++report_.tensors_copied;
  }

  void blend(const GraftStep& step, PosixFile& out, uint64_t at) {
    const uint64_t num_elements = step.target.info->num_elements();
    GraftSums sums;
    for (uint64_t first = 0; first < num_elements; first += kChunkElements) {
      job_.check();
      blend_chunk(step, first, std::min<uint64_t>(kChunkElements, num_elements - first), sums, out, at);
    }
    add_to_report(step.kind, num_elements, sums);
  }

  void blend_chunk(const GraftStep& step, uint64_t first, size_t num_elements, GraftSums& sums,
                   PosixFile& out, uint64_t at) {
    size_t bytes_read = 0;
    const auto read = [&](const Weight& weight, char* buffer) {
      const size_t width = static_cast<size_t>(dtype_bits(weight.dtype()) / 8);
      weight.read_range(first * width, num_elements * width, buffer);
      bytes_read += num_elements * width;
      return width;
    };
    char* const target = buffers_[0].get();
    const size_t width = read(step.target, target);
    read(step.base, buffers_[1].get());
    read(step.chat, buffers_[2].get());
    graft_span({step.target.dtype(), step.base.dtype(), step.chat.dtype(), target, buffers_[1].get(),
                buffers_[2].get(), target, num_elements},
               scale_, sums);
    write(out, at + first * width, num_elements * width, bytes_read);
  }

  /// Writes the first buffer, and tells the job.
  void write(PosixFile& out, uint64_t at, size_t num_bytes, size_t bytes_read) {
    out.pwrite_exact(buffers_[0].get(), num_bytes, at);
    out.start_writeback(at, num_bytes);
    count(bytes_read, num_bytes);
  }

  void count(uint64_t bytes_read, uint64_t bytes_written) {
    report_.bytes_read += bytes_read;
    report_.bytes_written += bytes_written;
    job_.progress(Value::Map{{"done_bytes", report_.bytes_read + report_.bytes_written},
                             {"total_bytes", plan_.bytes_to_read + plan_.bytes_to_write}});
  }

  void add_to_report(ModuleKind kind, uint64_t num_elements, const GraftSums& sums) {
    ModuleStats& stats = report_.modules[static_cast<size_t>(kind)];
    stats.num_tensors += 1;
    stats.num_elements += num_elements;
    stats.sums.delta_squared += sums.delta_squared;
    stats.sums.target_squared += sums.target_squared;
    stats.sums.num_nonfinite += sums.num_nonfinite;
    stats.sums.num_changed += sums.num_changed;
    report_.num_nonfinite += sums.num_nonfinite;
    (sums.num_changed > 0 ? report_.tensors_changed : report_.tensors_kept) += 1;
  }

  void copy_index() {
    const std::filesystem::path source =
        std::filesystem::path(plan_.target->folder()) / checkpoint::kIndexFileName;
    const std::string text = checkpoint::read_file(source.string(), checkpoint::kMaxIndexBytes);
    checkpoint::write_file(path_of(checkpoint::kIndexFileName), text);
    count(0, text.size());
  }

  const GraftPlan& plan_;
  const std::string& folder_;
  const float scale_;
  Job& job_;
  std::unique_ptr<char[]> buffers_[3];
  GraftReport report_;
};

}  // namespace

GraftReport run_graft(const GraftPlan& plan, const std::string& staged_folder, float scale, Job& job) {
  if (!plan.problems.empty()) throw plan.problems.front();
  if (!std::isfinite(scale)) {
    throw Error("ERR_USAGE", str("Expected a finite scale, received ", scale),
                "1 adds the whole difference, 0 none of it.");
  }
  return Graft(plan, staged_folder, scale, job).run();
}

}  // namespace tongueforge::merge
