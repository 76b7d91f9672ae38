// Reads what torch.save writes: a zip file with a pickle of names and the elements of every storage in an
// entry of its own. Nothing in it is run and nothing is believed before it is compared with the file's own
// size. Data is streamed: of a tensor that lies in one piece no more than a chunk is in memory.
//
// Refused by name: files of before torch 1.6, tar files, TorchScript, big-endian data, other formats.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/pickle_tree.h"
#include "checkpoint/posix_file.h"
#include "checkpoint/zip_file.h"
#include "core/job.h"

namespace tongueforge::checkpoint {

class TorchFile {
 public:
  /// Hears bytes [offset, offset + count) of a tensor, in order, little-endian and in C order.
  using Sink = std::function<void(uint64_t offset, const void* bytes, uint64_t count)>;

  /// Opens a file, reads its pickle and checks every storage and view against the file; no data is read.
  /// @throws ERR_PICKLE {file, offset, reason, global?}, ERR_NOT_FOUND, ERR_IO
  static TorchFile open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const PickleTree& tree() const { return tree_; }
  uint64_t file_size() const { return stamp_.size; }

  /// All of a tensor of the tree. The first time that something is read of a storage its checksum is checked.
  /// @throws ERR_PICKLE with reason "checksum", ERR_IO, Cancelled
  void read(const PickleTensor& tensor, Job& job, const Sink& sink);

  /// @throws ERR_INPUT_CHANGED if the file was written to since it was opened
  void check_unchanged() const;

 private:
  TorchFile(PosixFile file, FileStamp stamp) : file_(std::move(file)), stamp_(stamp) {}
  void read_tree();
  void find_storages(const std::vector<ZipEntry>& entries, const std::string& folder);
  void read_in_one(const PickleTensor& tensor, Job& job, const Sink& sink);
  void read_in_runs(const PickleTensor& tensor, Job& job, const Sink& sink) const;
  void read_out_of(const std::vector<char>& span, const PickleTensor& tensor, Job& job,
                   const Sink& sink) const;
  void check_sum(size_t storage, uint32_t sum);
  void check_storage(size_t storage, Job& job);

  PosixFile file_;
  FileStamp stamp_;
  PickleTree tree_;
  std::vector<ZipEntry> data_;   // of each storage of the tree
  std::vector<char> sum_known_;  // of each: it was compared
};

}  // namespace tongueforge::checkpoint
