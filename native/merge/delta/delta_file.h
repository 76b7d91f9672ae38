// A file of differences between two models, as `delta extract` writes it: safetensors with one tensor or a
// few for each of the model's, whatever the format; read as float32. docs/file_formats.md describes it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.h"
#include "merge/delta/delta_codec.h"

namespace tongueforge::merge {

inline constexpr const char* kDeltaFileName = "delta.safetensors";
inline constexpr const char* kDeltaFormat = "tongueforge.delta";
inline constexpr const char* kDeltaVersion = "2";
/// Without checksums (checkpoint/block_sums.h); it is read too.
inline constexpr const char* kUnsummedVersion = "1";

/// One tensor of the model in the file.
struct DeltaEntry {
  std::string name;
  std::vector<int64_t> shape;
  const DeltaCodec* codec = nullptr;
  StoredDelta stored;
  const checkpoint::TensorInfo* samples = nullptr;  // of the base: see delta_samples.h
  /// Rows of the chat model itself, for targets that lack their tokens: (own_rows, columns), exact.
  const checkpoint::TensorInfo* own = nullptr;
  std::vector<int64_t> own_rows;  // which, rising

  uint64_t num_elements() const { return count_elements(shape); }
  uint64_t num_bytes() const;  // in the file, samples included
};

class DeltaFile {
 public:
  /// Opens a file and checks that the parts of every tensor fit each other. Data that are damaged are met
  /// when they are read: ERR_SAFETENSORS.
  /// @throws ERR_DELTA for a file of another kind, version or layout; ERR_SAFETENSORS, ERR_NOT_FOUND, ERR_IO
  static DeltaFile open(const std::string& path);

  DeltaFile(DeltaFile&&) = default;
  DeltaFile(const DeltaFile&) = delete;  // its entries point into the file

  const std::string& path() const { return file_->path(); }
  uint64_t file_size() const { return file_->file_size(); }
  const checkpoint::SafetensorsFile& file() const { return *file_; }
  const checkpoint::Metadata& metadata() const { return file_->metadata(); }

  /// In the order of their names.
  const std::vector<DeltaEntry>& tensors() const { return entries_; }

  /// The tensor of this name, or nullptr.
  const DeltaEntry* find(std::string_view name) const;

  /// Opens a tensor for many reads; what is given back must not outlive the file. Behind the last row of the
  /// difference, row after row, come the chat model's own.
  std::unique_ptr<DeltaTensor> open_tensor(const DeltaEntry& entry) const;

  /// Values [first, first + count) of a tensor as float32. @throws ERR_MISSING_TENSOR, ERR_DELTA, ERR_IO
  void read(std::string_view name, uint64_t first, uint64_t count, float* out) const;

  /// The base's values that were noted down of a tensor.
  std::vector<float> samples(const DeltaEntry& entry) const;

  /// @throws ERR_INPUT_CHANGED if the file was written to since it was opened
  void check_unchanged() const { file_->check_unchanged(); }

 private:
  explicit DeltaFile(std::unique_ptr<checkpoint::SafetensorsFile> file) : file_(std::move(file)) {}
  void check_format();
  void collect();
  void place(DeltaEntry& entry, const std::string& suffix, const checkpoint::TensorInfo* info);

  std::unique_ptr<checkpoint::SafetensorsFile> file_;
  std::vector<DeltaEntry> entries_;
};

}  // namespace tongueforge::merge
