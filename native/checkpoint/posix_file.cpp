#include "checkpoint/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tongueforge::checkpoint {
namespace {

struct Fault {
  const char* code;
  const char* hint;
};

Fault fault_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
      return {"ERR_NOT_FOUND", "Check the path."};
    case EEXIST:
    case ENOTEMPTY:
      return {"ERR_EXISTS", "Choose another place, or overwrite it on purpose."};
    case ENOSPC:
    case EDQUOT:
      return {"ERR_NO_SPACE", "Free space on this disk or write to another one."};
    case EFBIG:
      return {"ERR_NO_SPACE", "Raise the limit on file sizes (ulimit -f), or write to another file system."};
    case ENOMEM:
      return {"ERR_OUT_OF_MEMORY",
              "Free memory: this machine had none left for the file system's own tables."};
    case EMFILE:
    case ENFILE:
      return {"ERR_IO", "Raise the limit on open files (ulimit -n)."};
    case EACCES:
    case EPERM:
    case EROFS:
      return {"ERR_IO", "Check the permissions of the file and its folder."};
    default:
      return {"ERR_IO", "Check the disk and the file system."};
  }
}

int open_or_throw(const std::string& path, int flags, const char* action) {
  if (path.find('\0') != std::string::npos) throw io_error(ENOENT, action, path.c_str());
  int fd;
  do { fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0666); } while (fd < 0 && errno == EINTR);
  if (fd < 0) throw io_error(errno, action, path);
  return fd;
}

}  // namespace

Error io_error(int error_number, const std::string& action, const std::string& path, uint64_t bytes_needed) {
  const Fault fault = fault_of(error_number);
  const std::string what = std::generic_category().message(error_number);
  ErrorDetails details = {{"file", path}, {"errno", std::to_string(error_number)}};
  std::string needed;
  if (bytes_needed > 0) {
    details.emplace_back("bytes_needed", std::to_string(bytes_needed));
    needed = str(" (", bytes_needed, " bytes needed)");
  }
  return Error(fault.code, str("Could not ", action, " ", path, ": ", what, needed), fault.hint,
               std::move(details));
}

PosixFile PosixFile::open_read(const std::string& path) {
  PosixFile file(open_or_throw(path, O_RDONLY | O_NONBLOCK, "open"), path);
  struct stat info;
  if (::fstat(file.fd_, &info) != 0) throw io_error(errno, "look at", path);
  if (!S_ISREG(info.st_mode)) {
    throw Error("ERR_IO",
                str("Expected a regular file, received a ",
                    S_ISDIR(info.st_mode) ? "folder" : "pipe or device", ": ", path),
                "Give the path of a file on disk.", {{"file", path}});
  }
  return file;
}

PosixFile PosixFile::create(const std::string& path) {
  return PosixFile(open_or_throw(path, O_WRONLY | O_CREAT | O_EXCL, "create"), path);
}

PosixFile PosixFile::open_write(const std::string& path) {
  return PosixFile(open_or_throw(path, O_RDWR, "open"), path);
}

PosixFile::PosixFile(PosixFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

PosixFile& PosixFile::operator=(PosixFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

PosixFile::~PosixFile() {
  if (fd_ >= 0) ::close(fd_);
}

FileStamp PosixFile::stamp() const {
  struct stat info;
  if (::fstat(fd_, &info) != 0) throw io_error(errno, "look at", path_);
  return {static_cast<uint64_t>(info.st_size),
          info.st_mtim.tv_sec * int64_t{1'000'000'000} + info.st_mtim.tv_nsec};
}

void PosixFile::pread_exact(void* dst, size_t count, uint64_t offset) const {
  char* to = static_cast<char*>(dst);
  while (count > 0) {
    const ssize_t got = ::pread(fd_, to, count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw io_error(errno, "read", path_);
    if (got == 0) {
      throw Error(
          "ERR_IO",
          str("Expected ", count, " more bytes at byte ", offset, " of ", path_, ", received its end"),
          "The file became shorter while it was read; do not write to models that are in use.",
          {{"file", path_}, {"offset", std::to_string(offset)}});
    }
    to += got, offset += static_cast<uint64_t>(got), count -= static_cast<size_t>(got);
  }
}

void PosixFile::pwrite_exact(const void* src, size_t count, uint64_t offset) {
  const char* from = static_cast<const char*>(src);
  while (count > 0) {
    const ssize_t put = ::pwrite(fd_, from, count, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) throw io_error(put < 0 ? errno : EIO, "write", path_, count);
    from += put, offset += static_cast<uint64_t>(put), count -= static_cast<size_t>(put);
  }
}

void PosixFile::preallocate(uint64_t size) {
  const auto length = static_cast<off_t>(size);
  int result = -1;
  if (size > 0) {
    do { result = ::fallocate(fd_, 0, 0, length); } while (result != 0 && errno == EINTR);
    const bool unsupported = result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL);
    if (result != 0 && !unsupported) throw io_error(errno, "reserve space for", path_, size);
  }
  if (result != 0 && ::ftruncate(fd_, length) != 0) throw io_error(errno, "set the size of", path_, size);
}

void PosixFile::start_writeback(uint64_t offset, uint64_t count) {
  // Only a request: what fails here is reported by sync().
  ::sync_file_range(fd_, static_cast<off_t>(offset), static_cast<off_t>(count), SYNC_FILE_RANGE_WRITE);
}

void PosixFile::sync() {
  int result;
  do { result = ::fsync(fd_); } while (result != 0 && errno == EINTR);
  if (result != 0) throw io_error(errno, "bring to disk", path_);
}

void PosixFile::close() {
  // Linux frees the descriptor even when close fails: never repeat it, or another thread's file is closed.
  if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) throw io_error(errno, "close", path_);
}

std::string read_file(const std::string& path, uint64_t max_bytes) {
  const PosixFile file = PosixFile::open_read(path);
  const uint64_t size = file.stamp().size;
  if (size > max_bytes) {
    throw Error("ERR_IO", str("Expected at most ", max_bytes, " bytes in ", path, ", received ", size),
                "Check that this is the right file.", {{"file", path}});
  }
  std::string bytes(size, '\0');
  file.pread_exact(bytes.data(), bytes.size(), 0);
  return bytes;
}

void write_file(const std::string& path, const std::string& bytes) {
  PosixFile file = PosixFile::create(path);
  file.pwrite_exact(bytes.data(), bytes.size(), 0);
  file.sync();
  file.close();
}

}  // namespace tongueforge::checkpoint
