// Checksums of a safetensors file block by block, in the file itself: a bit that has changed is found when
// its block is read, before anything is made of it, and a file that is streamed is not read twice for that.
//
// The sums are the last tensor of the file, kBlockSums, U8 (1 + blocks, 4): CRC-32, little-endian, first of
// all bytes before the data, then of each kSummedBytes of the data before the sums.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/posix_file.h"
#include "checkpoint/safetensors_writer.h"

namespace tongueforge::checkpoint {

inline constexpr const char* kBlockSums = ":crc32";
inline constexpr uint64_t kSummedBytes = uint64_t{64} << 10;

/// A file with sums: the tensors in the reference order, the sums behind them.
FilePlan plan_summed_file(const std::vector<TensorSpec>& tensors, const Metadata& metadata);

/// Writes the sums of a file of such a plan, whose other data is there, and brings them to the disk. `check`
/// is called now and then, and may throw.
/// @throws ERR_SAFETENSORS, ERR_NO_SPACE, ERR_IO
void write_block_sums(const std::string& path, size_t num_threads, const std::function<void()>& check);

/// The sums of an open file, and which of its blocks have been compared with them.
class BlockSums {
 public:
  /// @param sums U8 as in the file, of a header of `data_begin` bytes and `data_bytes` of data
  BlockSums(const std::vector<unsigned char>& sums, uint64_t data_begin, uint64_t data_bytes);

  /// How many sums such a file has.
  static uint64_t count(uint64_t data_bytes) { return 1 + (data_bytes + kSummedBytes - 1) / kSummedBytes; }

  /// @throws ERR_SAFETENSORS {file, offset, reason: "damaged"}
  void check_header(const PosixFile& file) const;

  /// Bytes [offset, offset + count) of the data; blocks that are read for the first time are compared.
  /// @throws ERR_SAFETENSORS {file, offset, reason: "damaged"}, ERR_IO
  void read(const PosixFile& file, uint64_t offset, uint64_t count, char* dst) const;

 private:
  uint64_t end_of(uint64_t block) const;
  void read_part(const PosixFile& file, uint64_t offset, uint64_t count, char* dst) const;
  void compare(const PosixFile& file, uint64_t block, const char* bytes) const;

  std::vector<uint32_t> sums_;  // of the blocks
  uint32_t header_sum_;
  uint64_t data_begin_, data_bytes_;
  std::unique_ptr<std::atomic<bool>[]> compared_;
};

}  // namespace tongueforge::checkpoint
