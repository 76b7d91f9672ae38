#include "checkpoint/block_sums.h"

#include <algorithm>
#include <cstring>

#include "checkpoint/crc32.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/strict_json.h"
#include "core/parts.h"

namespace tongueforge::checkpoint {
namespace {

constexpr size_t kSumBytes = 4;

uint32_t little_endian(const unsigned char* bytes) {
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

void put(std::vector<unsigned char>& sums, uint64_t at, uint32_t sum) {
  for (size_t i = 0; i < kSumBytes; ++i)
    sums[at * kSumBytes + i] = static_cast<unsigned char>(sum >> (8 * i));
}

[[noreturn]] void refuse(const PosixFile& file, uint64_t begin, uint64_t end, uint32_t expected,
                         uint32_t received) {
  refuse_file("ERR_SAFETENSORS", file.path(), begin, "damaged",
              str("bytes ", begin, " to ", end, " are not those that were written: expected the CRC-32 ",
                  expected, ", received ", received),
              "A disk or a copy has changed it: copy it again, or make it anew.");
}

}  // namespace

FilePlan plan_summed_file(const std::vector<TensorSpec>& tensors, const Metadata& metadata) {
  const FilePlan unsummed = plan_file(tensors, metadata);
  std::vector<TensorSpec> all;
  for (const TensorInfo& tensor : unsummed.tensors) all.push_back({tensor.name, tensor.dtype, tensor.shape});
  const auto count = static_cast<int64_t>(BlockSums::count(unsummed.data_bytes));
  all.push_back({kBlockSums, DType::U8, {count, kSumBytes}});
  return plan_file(all, metadata, TensorOrder::AsGiven);
}

void write_block_sums(const std::string& path, size_t num_threads, const std::function<void()>& check) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const TensorInfo& table = file.block_sums();
  const PosixFile in = PosixFile::open_read(path);
  std::vector<unsigned char> sums(table.num_bytes());
  const std::string header = file.read_header_bytes();
  put(sums, 0, crc32(0, header.data(), header.size()));
  const uint64_t blocks = BlockSums::count(table.begin) - 1;
  for_each_part(num_threads, blocks, [&](size_t, size_t begin, size_t end) {
    std::vector<char> bytes(kSummedBytes);
    for (uint64_t block = begin; block < end; ++block) {
      check();
      const uint64_t at = block * kSummedBytes, size = std::min(kSummedBytes, table.begin - at);
      in.pread_exact(bytes.data(), size, file.data_begin() + at);
      put(sums, 1 + block, crc32(0, bytes.data(), size));
    }
  });
  PosixFile out = PosixFile::open_write(path);
  out.pwrite_exact(sums.data(), sums.size(), file.data_begin() + table.begin);
  out.sync();
  out.close();
}

BlockSums::BlockSums(const std::vector<unsigned char>& sums, uint64_t data_begin, uint64_t data_bytes)
    : header_sum_(little_endian(sums.data())), data_begin_(data_begin), data_bytes_(data_bytes) {
  for (size_t at = kSumBytes; at < sums.size(); at += kSumBytes) sums_.push_back(little_endian(&sums[at]));
  compared_ = std::make_unique<std::atomic<bool>[]>(sums_.size());
}

void BlockSums::check_header(const PosixFile& file) const {
  std::vector<char> bytes(data_begin_);
  file.pread_exact(bytes.data(), bytes.size(), 0);
  const uint32_t received = crc32(0, bytes.data(), bytes.size());
  if (received != header_sum_) refuse(file, 0, data_begin_, header_sum_, received);
}

uint64_t BlockSums::end_of(uint64_t block) const { return std::min((block + 1) * kSummedBytes, data_bytes_); }

void BlockSums::read(const PosixFile& file, uint64_t offset, uint64_t count, char* dst) const {
  const uint64_t end = offset + count;
  // Whole blocks straight to their place; of the one before and the one behind them a part.
  const uint64_t first = (offset + kSummedBytes - 1) / kSummedBytes;
  const uint64_t last = end == data_bytes_ ? sums_.size() : end / kSummedBytes;  // one behind
  if (first >= last) {
    const uint64_t middle = std::min(end, std::max(offset, first * kSummedBytes));
    read_part(file, offset, middle - offset, dst);
    return read_part(file, middle, end - middle, dst + (middle - offset));
  }
  const uint64_t begin = first * kSummedBytes, stop = end_of(last - 1);
  read_part(file, offset, begin - offset, dst);
  file.pread_exact(dst + (begin - offset), stop - begin, data_begin_ + begin);
  for (uint64_t block = first; block < last; ++block)
    compare(file, block, dst + (block * kSummedBytes - offset));
  read_part(file, stop, end - stop, dst + (stop - offset));
}

/// Bytes that lie in one block.
void BlockSums::read_part(const PosixFile& file, uint64_t offset, uint64_t count, char* dst) const {
  if (count == 0) return;
  const uint64_t block = offset / kSummedBytes, begin = block * kSummedBytes;
  if (compared_[block]) return file.pread_exact(dst, count, data_begin_ + offset);
  std::vector<char> bytes(end_of(block) - begin);
  file.pread_exact(bytes.data(), bytes.size(), data_begin_ + begin);
  compare(file, block, bytes.data());
  std::memcpy(dst, bytes.data() + (offset - begin), count);
}

void BlockSums::compare(const PosixFile& file, uint64_t block, const char* bytes) const {
  if (compared_[block]) return;
  const uint64_t begin = block * kSummedBytes, end = end_of(block);
  const uint32_t received = crc32(0, bytes, end - begin);
  if (received != sums_[block]) refuse(file, data_begin_ + begin, data_begin_ + end, sums_[block], received);
  compared_[block] = true;
}

}  // namespace tongueforge::checkpoint
