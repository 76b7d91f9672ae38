// An input as a file that never meets a disk: the parsers take paths, and read as they read every file.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace tongueforge::fuzz {

/// One a thread, used again for every input.
class MemoryFile {
 public:
  /// The path of a file with these bytes, until the next call.
  static const std::string& of(std::string_view bytes) {
    static thread_local MemoryFile file;
    size_t done = 0;
    bool good = ::ftruncate(file.fd_, 0) == 0 && ::lseek(file.fd_, 0, SEEK_SET) == 0;
    while (good && done < bytes.size()) {
      const ssize_t put = ::write(file.fd_, bytes.data() + done, bytes.size() - done);
      good = put > 0;
      if (good) done += static_cast<size_t>(put);
    }
    if (!good) throw std::runtime_error("could not write an input into memory");
    return file.path_;
  }

 private:
  MemoryFile() : fd_(::memfd_create("input", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    if (fd_ < 0) throw std::runtime_error("could not make a file in memory");
  }
  ~MemoryFile() { ::close(fd_); }
  int fd_;
  std::string path_;
};

}  // namespace tongueforge::fuzz
