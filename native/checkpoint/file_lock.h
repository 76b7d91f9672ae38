// One writer at a time. The kernel holds the lock (flock) and lets go of it whatever way the process ends, so
// a lock can be left behind as a file but never as a lock.
#pragma once
#include <memory>
#include <string>

#include "core/value.h"

namespace tongueforge::checkpoint {

class FileLock final : public Object {
 public:
  /// Takes the lock of `path`, a file that is made where there is none, and writes `note` into it: who holds
  /// it. On file systems that know no locks it is the note alone, and who finds one there is refused but for
  /// `ended`, the note of a holder that is known to be gone. Of two that ask at one instant both may get it.
  /// @throws ERR_BUSY with the holder's note in details.holder, and details.unlocked where the note alone
  /// says so; ERR_IO, ERR_NO_SPACE
  static std::shared_ptr<FileLock> take(const std::string& path, const std::string& note,
                                        const std::string& ended = "");

  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  /// Removes the file and lets go.
  ~FileLock() override;

  /// The note of a holder that ended without letting go: it was killed, or the machine stopped. Else empty.
  const std::string& left_behind() const { return left_behind_; }
  int64_t bytes() const override { return 0; }

 private:
  FileLock(int fd, std::string path, std::string left_behind)
      : fd_(fd), path_(std::move(path)), left_behind_(std::move(left_behind)) {}

  int fd_;
  std::string path_, left_behind_;
};

}  // namespace tongueforge::checkpoint
