// One open file: exact positional reads and writes, every failure a coded error that names the path.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "core/error.h"

namespace tongueforge::checkpoint {

/// What tells whether a file was changed under us: compared before and after long reads.
struct FileStamp {
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  bool operator==(const FileStamp&) const = default;
};

/// The error of a failed system call on `path`: ERR_NOT_FOUND, ERR_EXISTS, ERR_NO_SPACE (with the bytes
/// needed) or ERR_IO.
/// @param action what was tried, as a verb with its object: "read", "create folder"
Error io_error(int error_number, const std::string& action, const std::string& path,
               uint64_t bytes_needed = 0);

/// Owns a descriptor; movable. Never mapped into memory: a file that shrinks must give an error, not a
/// signal.
class PosixFile {
 public:
  /// Opens a regular file, or a link to one. A pipe or device is refused without waiting for its other end.
  static PosixFile open_read(const std::string& path);

  /// Creates a new file for writing. @throws ERR_EXISTS where the path is taken
  static PosixFile create(const std::string& path);

  /// Opens an existing file to write on in it. @throws ERR_NOT_FOUND, ERR_IO
  static PosixFile open_write(const std::string& path);

  PosixFile(PosixFile&& other) noexcept;
  PosixFile& operator=(PosixFile&& other) noexcept;
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile();

  const std::string& path() const { return path_; }

  /// Size and modification time as they are now.
  FileStamp stamp() const;

  /// Fills `dst` with bytes [offset, offset + count). @throws ERR_IO where the file ends before
  void pread_exact(void* dst, size_t count, uint64_t offset) const;

  /// Writes all of [offset, offset + count), over as many system calls as it takes.
  void pwrite_exact(const void* src, size_t count, uint64_t offset);

  /// Makes the file `size` bytes long and reserves its blocks, so that a full disk is met now and not at the
  /// end. File systems without reservation only get the length.
  void preallocate(uint64_t size);

  /// Asks the kernel to begin writing a range to disk, without waiting: later fsync finds little left to do.
  void start_writeback(uint64_t offset, uint64_t count);

  /// Waits until the data is on the disk. A failure is final: the kernel has dropped the pages, write a new
  /// file.
  void sync();

  /// Closes and reports what closing reports; the destructor closes in silence.
  void close();

 private:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::string path_;
};

/// The whole of a small file. @throws ERR_IO above `max_bytes`
std::string read_file(const std::string& path, uint64_t max_bytes);

/// Creates `path` with these bytes and brings them to the disk. @throws ERR_EXISTS, ERR_NO_SPACE, ERR_IO
void write_file(const std::string& path, const std::string& bytes);

}  // namespace tongueforge::checkpoint
