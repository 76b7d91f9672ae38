#include "checkpoint/torch_file.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "checkpoint/crc32.h"
#include "checkpoint/json_text.h"
#include "checkpoint/pickle.h"
#include "checkpoint/pickle_refusal.h"
#include "checkpoint/strided_runs.h"
#include "checkpoint/torch_format.h"

namespace tongueforge::checkpoint {
namespace {

constexpr uint64_t kChunkBytes = 4 << 20;
/// A view with gaps is read as a whole with them where that is not much more than itself.
constexpr uint64_t kSpanBytes = 64 << 20, kSpanTimes = 4;

uint64_t width_of(const PickleTensor& tensor) { return static_cast<uint64_t>(dtype_width(tensor.dtype)); }

/// Collects pieces and hands them on in chunks.
class Chunks {
 public:
  Chunks(Job& job, const TorchFile::Sink& sink) : job_(job), sink_(sink) { buffer_.reserve(kChunkBytes); }

  /// `fetch(dst, begin, count)` fills bytes [begin, begin + count) of a piece of `size` bytes.
  template <class Fetch>
  void add(uint64_t size, const Fetch& fetch) {
    for (uint64_t begin = 0; begin < size;) {
      const uint64_t count = std::min(size - begin, kChunkBytes - buffer_.size());
      const size_t old = buffer_.size();
      buffer_.resize(old + count);
      fetch(buffer_.data() + old, begin, count);
      begin += count;
      if (buffer_.size() == kChunkBytes) flush();
    }
  }

  void flush() {
    job_.check();
    if (!buffer_.empty()) sink_(done_, buffer_.data(), buffer_.size());
    done_ += buffer_.size();
    buffer_.clear();
  }

 private:
  Job& job_;
  const TorchFile::Sink& sink_;
  std::vector<char> buffer_;
  uint64_t done_ = 0;
};

}  // namespace

TorchFile TorchFile::open(const std::string& path) {
  PosixFile file = PosixFile::open_read(path);
  const FileStamp stamp = file.stamp();
  TorchFile opened(std::move(file), stamp);
  opened.read_tree();
  return opened;
}

void TorchFile::read_tree() {
  check_is_torch_zip(file_, stamp_.size);
  const std::vector<ZipEntry> entries = read_zip_directory(file_, stamp_.size);
  const TorchLayout layout = find_layout(file_, entries);
  const ZipEntry& pickle = entries[layout.pickle];
  if (pickle.size > kMaxPickleBytes)
    refuse_pickle(path(), pickle.offset,
                  {"pickle_too_large",
                   str("expected a pickle of at most ", kMaxPickleBytes, " bytes, received ", pickle.size)});
  std::vector<char> bytes(pickle.size);
  file_.pread_exact(bytes.data(), bytes.size(), pickle.offset);
  if (crc32(0, bytes.data(), bytes.size()) != pickle.crc32)
    refuse_pickle(path(), pickle.offset,
                  {"checksum", "expected the pickle to have the checksum of its entry"});
  tree_ = read_pickle(std::move(bytes), path(), pickle.offset);
  find_storages(entries, layout.folder);
}

void TorchFile::find_storages(const std::vector<ZipEntry>& entries, const std::string& folder) {
  std::unordered_map<std::string_view, const ZipEntry*> by_name;
  for (const ZipEntry& entry : entries) by_name.emplace(entry.name, &entry);
  for (const PickleStorage& storage : tree_.storages) {
    const std::string name = str(folder, "data/", storage.key);
    const auto found = by_name.find(name);
    if (found == by_name.end())
      refuse_pickle(path(), 0,
                    {"missing_storage", str("expected the entry ", printable(name), ", it is not there")});
    const ZipEntry& entry = *found->second;
    const uint64_t width = storage.dtype ? static_cast<uint64_t>(dtype_width(*storage.dtype)) : 1;
    if (entry.size / width != storage.count)
      refuse_pickle(path(), entry.offset,
                    {"storage_size", str(printable(name), ": expected ", storage.num_bytes(),
                                         " bytes as the pickle says, received ", entry.size)});
    data_.push_back(entry);
  }
  sum_known_.resize(data_.size());
}

void TorchFile::read(const PickleTensor& tensor, Job& job, const Sink& sink) {
  if (tensor.num_elements() == 0) return;
  if (tensor.is_contiguous()) return read_in_one(tensor, job, sink);
  check_storage(tensor.storage, job);
  const uint64_t width = width_of(tensor), span = span_of(tensor) * width;
  if (span > std::max(kSpanBytes, kSpanTimes * tensor.num_bytes())) return read_in_runs(tensor, job, sink);
  std::vector<char> held(span);
  file_.pread_exact(held.data(), held.size(), data_[tensor.storage].offset + tensor.offset * width);
  read_out_of(held, tensor, job, sink);
}

void TorchFile::read_in_one(const PickleTensor& tensor, Job& job, const Sink& sink) {
  const ZipEntry& entry = data_[tensor.storage];
  const uint64_t begin = tensor.offset * width_of(tensor), size = tensor.num_bytes();
  const bool whole = size == entry.size;
  if (!whole) check_storage(tensor.storage, job);
  std::vector<char> chunk(std::min(size, kChunkBytes));
  uint32_t sum = 0;
  for (uint64_t at = 0; at < size; at += chunk.size()) {
    job.check();
    chunk.resize(std::min(kChunkBytes, size - at));
    file_.pread_exact(chunk.data(), chunk.size(), entry.offset + begin + at);
    if (whole && !sum_known_[tensor.storage]) sum = crc32(sum, chunk.data(), chunk.size());
    sink(at, chunk.data(), chunk.size());
  }
  if (whole) check_sum(tensor.storage, sum);
}

void TorchFile::read_in_runs(const PickleTensor& tensor, Job& job, const Sink& sink) const {
  const uint64_t width = width_of(tensor), data = data_[tensor.storage].offset;
  Chunks chunks(job, sink);
  for_each_run(tensor, [&](uint64_t element, uint64_t count) {
    chunks.add(count * width, [&](char* dst, uint64_t begin, uint64_t bytes) {
      file_.pread_exact(dst, bytes, data + element * width + begin);
    });
  });
  chunks.flush();
}

void TorchFile::read_out_of(const std::vector<char>& span, const PickleTensor& tensor, Job& job,
                            const Sink& sink) const {
  const uint64_t width = width_of(tensor);
  Chunks chunks(job, sink);
  for_each_run(tensor, [&](uint64_t element, uint64_t count) {
    const char* src = span.data() + (element - tensor.offset) * width;
    chunks.add(count * width,
               [&](char* dst, uint64_t begin, uint64_t bytes) { std::memcpy(dst, src + begin, bytes); });
  });
  chunks.flush();
}

void TorchFile::check_storage(size_t storage, Job& job) {
  if (sum_known_[storage]) return;
  const ZipEntry& entry = data_[storage];
  std::vector<char> chunk(std::min(entry.size, kChunkBytes));
  uint32_t sum = 0;
  for (uint64_t at = 0; at < entry.size; at += chunk.size()) {
    job.check();
    chunk.resize(std::min(kChunkBytes, entry.size - at));
    file_.pread_exact(chunk.data(), chunk.size(), entry.offset + at);
    sum = crc32(sum, chunk.data(), chunk.size());
  }
  check_sum(storage, sum);
}

void TorchFile::check_sum(size_t storage, uint32_t sum) {
  if (sum_known_[storage]) return;
  const ZipEntry& entry = data_[storage];
  if (sum != entry.crc32)
    refuse_pickle(path(), entry.offset,
                  {"checksum", str(printable(entry.name), ": expected data with the checksum of its entry")});
  sum_known_[storage] = true;
}

void TorchFile::check_unchanged() const {
  if (file_.stamp() == stamp_) return;
  throw Error("ERR_INPUT_CHANGED",
              str("Expected ", path(), " to stay as it was, but it was written to while it was read"),
              "Do not write to a file that is in use; run again.", {{"file", path()}});
}

}  // namespace tongueforge::checkpoint
