#include "merge/row_extension.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "checkpoint/shard_index.h"
#include "merge/low_rank_kernel.h"

namespace tongueforge::merge {
namespace {

using checkpoint::PosixFile;
using checkpoint::SafetensorsFile;
using checkpoint::TensorInfo;

constexpr uint64_t kChunkBytes = uint64_t{8} << 20;

// Sums rows of one tensor in double; the mean is rounded once to its dtype (16-bit types by way of float32).
class RowMean {
 public:
  RowMean(DType dtype, size_t columns) : dtype_(dtype), sums_(columns), floats_(columns) {}

  void add(const char* row) {
    convert_floats(dtype_, row, DType::F32, floats_.data(), floats_.size());
    for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += static_cast<double>(floats_[i]);
    ++count_;
  }

  /// Writes the mean and begins anew. @return the number of values that are not finite
  uint64_t take(char* row) {
    uint64_t num_nonfinite = 0;
    for (size_t i = 0; i < sums_.size(); ++i) {
      floats_[i] = static_cast<float>(sums_[i] / static_cast<double>(count_));
      num_nonfinite += !std::isfinite(floats_[i]);
    }
    convert_floats(DType::F32, floats_.data(), dtype_, row, floats_.size());
    std::fill(sums_.begin(), sums_.end(), 0.0);
    count_ = 0;
    return num_nonfinite;
  }

 private:
  DType dtype_;
  std::vector<double> sums_;
  std::vector<float> floats_;
  uint64_t count_ = 0;
};

}  // namespace

class RowExtensionRun {
 public:
  RowExtensionRun(const RowExtension& extension, const std::string& folder, Job& job)
      : extension_(extension), rows_(extension.rows_), folder_(folder), job_(job) {}

  RowExtensionReport run() {
    for (const auto& file : extension_.files_) write_file(file);
    if (extension_.model_.is_sharded()) {
      checkpoint::write_file(path_of(checkpoint::kIndexFileName), extension_.index_);
      report_.bytes_written += extension_.index_.size();
    }
    extension_.model_.check_unchanged();
    return report_;
  }

 private:
  std::string path_of(const std::string& name) const {
    return (std::filesystem::path(folder_) / name).string();
  }

  void write_file(const RowExtension::File& file) {
    PosixFile out = PosixFile::create(path_of(file.source->name));
    out.preallocate(file.file_size);
    write(out, 0, file.header.data(), file.header.size(), file.header.size());
    for (const auto& step : file.steps) {
      const uint64_t at = file.header.size() + step.begin;
      if (step.extended) {
        extend(file.source->file, *step.source, out, at);
        ++report_.tensors_extended;
      } else {
        copy(file.source->file, *step.source, 0, step.source->num_bytes(), out, at);
        ++report_.tensors_copied;
      }
    }
    job_.check();
    out.sync();
    out.close();
  }

  /// Bytes [begin, end) of a tensor to the same place of the one at `at`.
  void copy(const SafetensorsFile& file, const TensorInfo& tensor, uint64_t begin, uint64_t end,
            PosixFile& out, uint64_t at) {
    for (uint64_t offset = begin; offset < end; offset += kChunkBytes) {
      job_.check();
      const uint64_t part = std::min(kChunkBytes, end - offset);
      buffer_.resize(part);
      file.read_range(tensor, offset, part, buffer_.data());
      write(out, at + offset, buffer_.data(), part, part);
    }
  }

  /// Old rows, new rows, what the model had behind them, and rows that no token has.
  void extend(const SafetensorsFile& file, const TensorInfo& tensor, PosixFile& out, uint64_t at) {
    const auto columns = static_cast<size_t>(tensor.shape[1]);
    const uint64_t row_bytes = columns * static_cast<uint64_t>(dtype_bits(tensor.dtype)) / 8;
    const auto first = static_cast<uint64_t>(rows_.first);
    const uint64_t end = first + rows_.pieces.size();
    const auto num_old_rows = static_cast<uint64_t>(tensor.shape[0]);
    copy(file, tensor, 0, first * row_bytes, out, at);
    RowMean mean(tensor.dtype, columns);
    write_means(file, tensor, row_bytes, mean, out, at + first * row_bytes);
    copy(file, tensor, std::min(end, num_old_rows) * row_bytes, num_old_rows * row_bytes, out, at);
    const uint64_t padding_from = std::max(end, num_old_rows);
    const auto num_rows = static_cast<uint64_t>(rows_.num_rows);
    if (padding_from < num_rows)
      pad(file, tensor, row_bytes, mean, out, at + padding_from * row_bytes, num_rows - padding_from);
  }

  void write_means(const SafetensorsFile& file, const TensorInfo& tensor, uint64_t row_bytes, RowMean& mean,
                   PosixFile& out, uint64_t at) {
    std::vector<char> piece(row_bytes);
    const uint64_t rows_a_chunk = std::max<uint64_t>(1, kChunkBytes / std::max<uint64_t>(1, row_bytes));
    for (size_t token = 0; token < rows_.pieces.size();) {
      const size_t count = std::min<size_t>(rows_a_chunk, rows_.pieces.size() - token);
      buffer_.resize(count * row_bytes);
      uint64_t bytes_read = 0;
      for (size_t i = 0; i < count; ++i) {
        if (i % 64 == 0) job_.check();
        for (const int32_t id : rows_.pieces[token + i]) {
          file.read_range(tensor, static_cast<uint64_t>(id) * row_bytes, row_bytes, piece.data());
          mean.add(piece.data());
          bytes_read += row_bytes;
        }
        report_.num_nonfinite += mean.take(buffer_.data() + i * row_bytes);
      }
      write(out, at + token * row_bytes, buffer_.data(), buffer_.size(), bytes_read);
      token += count;
    }
  }

  /// The mean of all rows that tokens had, `count` times.
  void pad(const SafetensorsFile& file, const TensorInfo& tensor, uint64_t row_bytes, RowMean& mean,
           PosixFile& out, uint64_t at, uint64_t count) {
    std::vector<char> row(row_bytes);
    for (uint64_t i = 0; i < static_cast<uint64_t>(rows_.first); ++i) {
      if (i % 64 == 0) job_.check();
      file.read_range(tensor, i * row_bytes, row_bytes, row.data());
      mean.add(row.data());
    }
    mean.take(row.data());
    for (uint64_t i = 0; i < count; ++i) write(out, at + i * row_bytes, row.data(), row_bytes, 0);
  }

  void write(PosixFile& out, uint64_t at, const char* bytes, uint64_t count, uint64_t bytes_read) {
    out.pwrite_exact(bytes, count, at);
    out.start_writeback(at, count);
    report_.bytes_read += bytes_read;
    report_.bytes_written += count;
    // What is written alone: rows that are pieces of several tokens are read as often.
    job_.progress(
        Value::Map{{"done_bytes", report_.bytes_written}, {"total_bytes", extension_.bytes_to_write_}});
  }

  const RowExtension& extension_;
  const NewRows& rows_;
  const std::string& folder_;
  Job& job_;
  std::vector<char> buffer_;
  RowExtensionReport report_;
};

RowExtensionReport RowExtension::run(const std::string& staged_folder, Job& job) const {
  if (!problems_.empty()) throw problems_.front();
  return RowExtensionRun(*this, staged_folder, job).run();
}

Value to_value(const RowExtensionReport& report) {
  return Value::Map{{"tensors_extended", report.tensors_extended},
                    {"tensors_copied", report.tensors_copied},
                    {"bytes_read", report.bytes_read},
                    {"bytes_written", report.bytes_written},
                    {"nonfinite", report.num_nonfinite}};
}

}  // namespace tongueforge::merge
