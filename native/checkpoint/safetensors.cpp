#include "checkpoint/safetensors.h"

#include <algorithm>
#include <numeric>

#include "checkpoint/block_sums.h"
#include "checkpoint/json_text.h"
#include "checkpoint/strict_json.h"
#include "core/error.h"

namespace tongueforge::checkpoint {
namespace {

constexpr uint64_t kLengthBytes = 8;

/// The length of the header's text, believed only after it fits the format's limit and the file.
uint64_t read_length(const PosixFile& file, uint64_t file_size) {
  const auto refuse = [&](uint64_t offset, const char* reason, const std::string& message) {
    refuse_file("ERR_SAFETENSORS", file.path(), offset, reason, message,
                "The file is cut short or is not a safetensors file: copy or convert it again.");
  };
  if (file_size < kLengthBytes) {
    refuse(file_size, "file_too_short", str("expected at least 8 bytes, received ", file_size));
  }
  unsigned char bytes[kLengthBytes];
  file.pread_exact(bytes, kLengthBytes, 0);
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  if (length == 0) refuse(0, "header_empty", "expected a header, received a length of 0");
  if (length > kMaxHeaderBytes) {
    refuse(0, "header_too_large",
           str("expected a header of at most ", kMaxHeaderBytes, " bytes, received ", length));
  }
  if (length > file_size - kLengthBytes) {
    refuse(0, "header_past_end",
           str("expected ", length, " bytes of header, received ", file_size - kLengthBytes));
  }
  return length;
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  PosixFile file = PosixFile::open_read(path);
  const FileStamp stamp = file.stamp();
  std::string text(read_length(file, stamp.size), '\0');
  file.pread_exact(text.data(), text.size(), kLengthBytes);
  const uint64_t data_begin = kLengthBytes + text.size();
  Header header = parse_header(text, stamp.size - data_begin, path);
  return SafetensorsFile(std::move(file), stamp, data_begin, std::move(header));
}

SafetensorsFile::SafetensorsFile(PosixFile file, FileStamp stamp, uint64_t data_begin, Header header)
    : file_(std::move(file)),
      stamp_(stamp),
      data_begin_(data_begin),
      header_(std::move(header)),
      by_name_(header_.tensors.size()) {
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](uint32_t a, uint32_t b) { return header_.tensors[a].name < header_.tensors[b].name; });
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto less = [&](uint32_t i, std::string_view wanted) { return header_.tensors[i].name < wanted; };
  const auto it = std::lower_bound(by_name_.begin(), by_name_.end(), name, less);
  if (it == by_name_.end() || header_.tensors[*it].name != name) return nullptr;
  return &header_.tensors[*it];
}

std::string SafetensorsFile::read_header_bytes() const {
  std::string bytes(data_begin_, '\0');
  file_.pread_exact(bytes.data(), bytes.size(), 0);
  return bytes;
}

void SafetensorsFile::read(const TensorInfo& tensor, void* dst) const {
  read_range(tensor, 0, tensor.num_bytes(), dst);
}

void SafetensorsFile::read_range(const TensorInfo& tensor, uint64_t offset, uint64_t count, void* dst) const {
  if (offset > tensor.num_bytes() || count > tensor.num_bytes() - offset) {
    throw Error("ERR_INTERNAL", str("Expected a range within the ", tensor.num_bytes(), " bytes of ",
                                    printable(tensor.name), ", received ", count, " bytes from ", offset));
  }
  const uint64_t at = tensor.begin + offset;
  if (sums_ && tensor.name != kBlockSums) return sums_->read(file_, at, count, static_cast<char*>(dst));
  file_.pread_exact(dst, count, data_begin_ + at);
}

const TensorInfo& SafetensorsFile::block_sums() const {
  const TensorInfo* sums = find(kBlockSums);
  const auto count = static_cast<int64_t>(BlockSums::count(sums ? sums->begin : 0));
  if (sums && sums->dtype == DType::U8 && sums->shape == std::vector<int64_t>{count, 4} &&
      data_begin_ + sums->end == file_size())
    return *sums;
  refuse_file("ERR_SAFETENSORS", path(), 0, "no_checksums",
              str("expected checksums of the data, U8 (", count, ", 4) behind all others, received ",
                  sums ? "a tensor of another layout" : "none"),
              "The file is damaged: copy it again, or make it anew.", kBlockSums);
}

void SafetensorsFile::compare_blocks() {
  const TensorInfo& info = block_sums();
  std::vector<unsigned char> sums(info.num_bytes());
  read(info, sums.data());
  sums_ = std::make_unique<const BlockSums>(sums, data_begin_, info.begin);
  sums_->check_header(file_);
}

void SafetensorsFile::check_unchanged() const {
  if (file_.stamp() == stamp_) return;
  throw Error("ERR_INPUT_CHANGED",
              str("Expected ", path(), " to stay as it was, but it was written to while it was read"),
              "Do not write to a model that is in use; run again.", {{"file", path()}});
}

}  // namespace tongueforge::checkpoint
