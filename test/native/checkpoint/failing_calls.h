// Calls of the system that fail when a test asks for it, in the test program alone: what no disk does on
// request.
#pragma once

namespace tongueforge::testing {

enum class Call {
  Open,
  Fstat,
  Stat,
  Pread,
  Pwrite,
  Allocate,
  Truncate,
  Sync,
  Close,
  Lock,
  Mkdir,
  Rename,
  RenameAt
};

constexpr int kNothing = -1;  // in place of an errno: a write that takes nothing, and says so
constexpr int kHalf = -2;     // or the half of it

/// While it lives, calls of one kind that our code makes fail with an errno: `times` of them after `passed`
/// others. One at a time.
class FailingCall {
 public:
  FailingCall(Call call, int error_number, int times = 1, int passed = 0);
  FailingCall(const FailingCall&) = delete;
  ~FailingCall();
  /// How many have failed so far.
  int met() const;

 private:
  Call call_;
};

}  // namespace tongueforge::testing
