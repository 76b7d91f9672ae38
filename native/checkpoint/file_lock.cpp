#include "checkpoint/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>
#include <vector>

#include "checkpoint/posix_file.h"

namespace tongueforge::checkpoint {
namespace {

constexpr size_t kLongestNote = 4096;

int open_file(const std::string& path) {
  int fd;
  do { fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666); } while (fd < 0 && errno == EINTR);
  if (fd < 0) throw io_error(errno, "open", path);
  return fd;
}

std::string read_note(int fd) {
  std::vector<char> bytes(kLongestNote);
  const ssize_t count = ::pread(fd, bytes.data(), bytes.size(), 0);
  return count > 0 ? std::string(bytes.data(), static_cast<size_t>(count)) : std::string();
}

void write_note(int fd, const std::string& note, const std::string& path) {
  if (::ftruncate(fd, 0) != 0) throw io_error(errno, "write", path, note.size());
  for (size_t done = 0; done < note.size();) {  // a write may take less than it is given
    const ssize_t put = ::pwrite(fd, note.data() + done, note.size() - done, static_cast<off_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) throw io_error(put < 0 ? errno : EIO, "write", path, note.size() - done);
    done += static_cast<size_t>(put);
  }
}

enum class Answer { kOurs, kHeld, kNoLocksHere };

Answer try_lock(int fd, const std::string& path) {
  int failed;
  do { failed = ::flock(fd, LOCK_EX | LOCK_NB); } while (failed != 0 && errno == EINTR);
  if (failed == 0) return Answer::kOurs;
  if (errno == EWOULDBLOCK) return Answer::kHeld;
  const bool no_locks_here = errno == ENOSYS || errno == ENOTSUP || errno == ENOLCK || errno == EINVAL;
  if (!no_locks_here) throw io_error(errno, "lock", path);
  return Answer::kNoLocksHere;
}

/// Whether the open file is still the one of that name: its last holder may have removed it in between.
bool is_in_place(int fd, const std::string& path) {
  struct stat open_file_info, named;
  return ::fstat(fd, &open_file_info) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open_file_info.st_ino == named.st_ino && open_file_info.st_dev == named.st_dev;
}

}  // namespace

std::shared_ptr<FileLock> FileLock::take(const std::string& path, const std::string& note,
                                         const std::string& ended) {
  for (;;) {
    const int fd = open_file(path);
    // The descriptor has its owner from here on; an owner of "" removes nothing.
    std::shared_ptr<FileLock> lock(new FileLock(fd, "", ""));
    const Answer answer = try_lock(fd, path);
    if (!is_in_place(fd, path)) continue;
    const std::string there = read_note(fd);
    if (answer == Answer::kHeld)
      throw Error("ERR_BUSY", str(path, ": expected a free lock, found one that is held"),
                  "Wait until its holder has ended.", {{"file", path}, {"holder", there}});
    if (answer == Answer::kNoLocksHere && !there.empty() && there != ended)
      throw Error("ERR_BUSY",
                  str(path, ": expected no note of a holder, as no locks are known here, found one"),
                  str("Wait until its holder has ended, and delete ", path, " if it was killed."),
                  {{"file", path}, {"holder", there}, {"unlocked", "true"}});
    lock->left_behind_ = there;
    lock->path_ = path;
    write_note(fd, note, path);
    return lock;
  }
}

// Removed before the lock is let go, so that nobody removes the file of the next holder. A file that cannot
// be removed tells at least of no holder who was killed.
FileLock::~FileLock() {
  if (!path_.empty() && is_in_place(fd_, path_) && ::unlink(path_.c_str()) != 0)
    std::ignore = ::ftruncate(fd_, 0);
  ::close(fd_);
}

}  // namespace tongueforge::checkpoint
