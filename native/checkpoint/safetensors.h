// Reads safetensors files, strictly: what is not certain to mean one thing is refused.
// Format: https://github.com/huggingface/safetensors#format, with the further rules listed in
// safetensors_header.h. Nothing is mapped into memory, and no size found in a file is believed before it is
// compared with the file's own.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/posix_file.h"
#include "checkpoint/safetensors_header.h"
#include "core/dtype.h"

namespace tongueforge::checkpoint {

class BlockSums;

class SafetensorsFile {
 public:
  /// Opens a file and checks its whole header and layout; the data is not read.
  /// @throws ERR_SAFETENSORS {file, offset, reason, tensor?}, ERR_NOT_FOUND, ERR_IO
  static SafetensorsFile open(const std::string& path);

  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

  const std::string& path() const { return file_.path(); }

  /// In the order of the header, which need not be the order of the data.
  const std::vector<TensorInfo>& tensors() const { return header_.tensors; }

  /// The tensor of this name, or nullptr. The pointer lives as long as this object stays where it is.
  const TensorInfo* find(std::string_view name) const;

  /// The strings under __metadata__, in their order.
  const Metadata& metadata() const { return header_.metadata; }

  /// Everything before the data as it stands in the file: 8 bytes of length, the text, its padding.
  std::string read_header_bytes() const;

  /// Where the data begins in the file.
  uint64_t data_begin() const { return data_begin_; }
  uint64_t file_size() const { return stamp_.size; }
  /// Size and time of change as they were when it was opened.
  const FileStamp& stamp() const { return stamp_; }

  /// The tensor with the checksums of block_sums.h. @throws ERR_SAFETENSORS where there is none, or of
  /// another layout
  const TensorInfo& block_sums() const;

  /// Compares the header with its checksum now, and the data as they are read.
  /// @throws ERR_SAFETENSORS, as reading does from now on where a block is damaged
  void compare_blocks();

  /// All bytes of a tensor into dst (num_bytes() long), little-endian and in C order.
  void read(const TensorInfo& tensor, void* dst) const;

  /// Bytes [offset, offset + count) of a tensor.
  void read_range(const TensorInfo& tensor, uint64_t offset, uint64_t count, void* dst) const;

  /// @throws ERR_INPUT_CHANGED if the file was written to since it was opened
  void check_unchanged() const;

 private:
  SafetensorsFile(PosixFile file, FileStamp stamp, uint64_t data_begin, Header header);
  PosixFile file_;
  FileStamp stamp_;
  uint64_t data_begin_;
  Header header_;
  std::vector<uint32_t> by_name_;          // indexes into tensors(), sorted by name
  std::unique_ptr<const BlockSums> sums_;  // where blocks are compared
};

}  // namespace tongueforge::checkpoint
