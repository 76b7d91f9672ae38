#include "merge/adapter_merge.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "checkpoint/shard_index.h"

namespace tongueforge::merge {
namespace {

using checkpoint::PosixFile;
using checkpoint::TensorInfo;

constexpr uint64_t kChunkBytes = uint64_t{8} << 20;

uint64_t width(DType dtype) { return static_cast<uint64_t>(dtype_bits(dtype)) / 8; }

std::vector<float> read_floats(const checkpoint::SafetensorsFile& file, const TensorInfo& tensor) {
  std::vector<char> bytes(tensor.num_bytes());
  file.read(tensor, bytes.data());
  std::vector<float> values(tensor.num_elements());
  convert_floats(tensor.dtype, bytes.data(), DType::F32, values.data(), values.size());
  return values;
}

}  // namespace

class AdapterMergeRun {
 public:
  AdapterMergeRun(const AdapterMerge& merge, const std::string& folder, Job& job)
      : merge_(merge), folder_(folder), job_(job) {}

  AdapterMergeReport run() {
    for (const auto& file : merge_.files_) write_file(file);
    if (merge_.model_.is_sharded()) copy_index();
    merge_.model_.check_unchanged();
    merge_.adapter_.check_unchanged();
    return report_;
  }

 private:
  using Step = AdapterMerge::Step;

  std::string path_of(const std::string& name) const {
    return (std::filesystem::path(folder_) / name).string();
  }

  void write_file(const AdapterMerge::File& file) {
    const checkpoint::SafetensorsFile& source = file.source->file;
    PosixFile out = PosixFile::create(path_of(file.source->name));
    out.preallocate(source.file_size());
    const std::string header = source.read_header_bytes();
    write(out, 0, header.data(), header.size(), header.size());
    for (const Step& step : file.steps) {
      const uint64_t at = source.data_begin() + step.target->begin;
      if (step.a) {
        merge_tensor(source, step, out, at);
      } else {
        copy(source, step, out, at);
      }
    }
    job_.check();
    out.sync();
    out.close();
  }

  // The tensor as it is, or the one that takes its place in the type of the one it was.
  void copy(const checkpoint::SafetensorsFile& model, const Step& step, PosixFile& out, uint64_t at) {
    const bool replaced = step.replacement != nullptr;
    const TensorInfo& from = replaced ? *step.replacement : *step.target;
    const auto& file = replaced ? merge_.adapter_ : model;
    const DType to = step.target->dtype;
    if (from.dtype == to) {
      copy_bytes(file, from, out, at);
    } else {
      convert(file, from, to, out, at);
    }
    (replaced ? report_.tensors_replaced : report_.tensors_copied) += 1;
  }

  void copy_bytes(const checkpoint::SafetensorsFile& file, const TensorInfo& from, PosixFile& out,
                  uint64_t at) {
    for (uint64_t offset = 0; offset < from.num_bytes(); offset += kChunkBytes) {
      job_.check();
      const uint64_t part = std::min(kChunkBytes, from.num_bytes() - offset);
      buffer_.resize(part);
      file.read_range(from, offset, part, buffer_.data());
      write(out, at + offset, buffer_.data(), part, part);
    }
  }

  void convert(const checkpoint::SafetensorsFile& file, const TensorInfo& from, DType to, PosixFile& out,
               uint64_t at) {
    const uint64_t step = kChunkBytes / 4;
    for (uint64_t first = 0; first < from.num_elements(); first += step) {
      job_.check();
      const uint64_t count = std::min(step, from.num_elements() - first);
      buffer_.resize(count * width(from.dtype));
      converted_.resize(count * width(to));
      file.read_range(from, first * width(from.dtype), buffer_.size(), buffer_.data());
      convert_floats(from.dtype, buffer_.data(), to, converted_.data(), count);
      write(out, at + first * width(to), converted_.data(), converted_.size(), buffer_.size());
    }
  }

  void merge_tensor(const checkpoint::SafetensorsFile& model, const Step& step, PosixFile& out, uint64_t at) {
    const TensorInfo& target = *step.target;
    const auto factors = read_factors(step);
    const auto num_rows = static_cast<uint64_t>(target.shape[0]);
    const uint64_t row_bytes = factors.columns * width(target.dtype);
    const uint64_t rows_a_chunk = std::max<uint64_t>(1, kChunkBytes / std::max<uint64_t>(1, row_bytes));
    RoundingSums sums;
    for (uint64_t first = 0; first < num_rows; first += rows_a_chunk) {
      const uint64_t count = std::min(rows_a_chunk, num_rows - first);
      buffer_.resize(count * row_bytes);
      model.read_range(target, first * row_bytes, buffer_.size(), buffer_.data());
      for (uint64_t row = 0; row < count; ++row) {
        if (row % 64 == 0) job_.check();
        char* const data = buffer_.data() + row * row_bytes;
        merge_low_rank_row(factors, first + row, target.dtype, data, data, sums);
      }
      write(out, at + first * row_bytes, buffer_.data(), buffer_.size(), buffer_.size());
    }
    report_.tensors_merged += 1;
    report_.rounding.add(sums);
    if (sums.max_value > 0)
      report_.max_relative_error = std::max(report_.max_relative_error, sums.max_error / sums.max_value);
  }

  LowRankFactors read_factors(const Step& step) {
    const auto a = read_floats(merge_.adapter_, *step.a), b = read_floats(merge_.adapter_, *step.b);
    report_.bytes_read += step.a->num_bytes() + step.b->num_bytes();
    LowRankFactors factors;
    factors.rank = static_cast<size_t>(step.a->shape[0]);
    factors.columns = static_cast<size_t>(step.a->shape[1]);
    factors.a.assign(a.begin(), a.end());
    factors.scaled_b.reserve(b.size());
    for (const float value : b) factors.scaled_b.push_back(step.scale * static_cast<double>(value));
    return factors;
  }

  void write(PosixFile& out, uint64_t at, const char* bytes, uint64_t count, uint64_t bytes_read) {
    out.pwrite_exact(bytes, count, at);
    out.start_writeback(at, count);
    report_.bytes_read += bytes_read;
    report_.bytes_written += count;
    job_.progress(Value::Map{{"done_bytes", report_.bytes_read + report_.bytes_written},
                             {"total_bytes", merge_.bytes_to_read_ + merge_.bytes_to_write_}});
  }

  void copy_index() {
    const auto source = std::filesystem::path(merge_.model_.folder()) / checkpoint::kIndexFileName;
    const std::string text = checkpoint::read_file(source.string(), checkpoint::kMaxIndexBytes);
    checkpoint::write_file(path_of(checkpoint::kIndexFileName), text);
    report_.bytes_written += text.size();
  }

  const AdapterMerge& merge_;
  const std::string& folder_;
  Job& job_;
  std::vector<char> buffer_, converted_;
  AdapterMergeReport report_;
};

AdapterMergeReport AdapterMerge::run(const std::string& staged_folder, Job& job) const {
  if (!problems_.empty()) throw problems_.front();
  return AdapterMergeRun(*this, staged_folder, job).run();
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
