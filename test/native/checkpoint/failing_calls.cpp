// The calls have the names of the C library's and stand in the program, hence come first for what is linked
// into it; they are hidden, hence for nothing else. What passes goes on to the next of that name: the
// library's, or a sanitizer's.
#include "checkpoint/failing_calls.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace tongueforge::testing {
namespace {

struct Order {
  std::atomic<int> error_number{0}, passes{0}, fails{0}, met{0};
};
std::array<Order, 13> orders;  // one a kind

Order& order_of(Call call) { return orders.at(static_cast<size_t>(call)); }

/// What becomes of this call: 0 where it passes, else an errno, kNothing or kHalf.
int fate_of(Call call) {
  Order& order = order_of(call);
  if (order.error_number == 0 || order.passes-- > 0 || order.fails-- <= 0) return 0;
  ++order.met;
  return order.error_number;
}

/// True with errno set.
bool refused(Call call) {
  const int fate = fate_of(call);
  if (fate > 0) errno = fate;
  return fate != 0;
}

template <class Function>
Function* next(const char* name, Function*) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

FailingCall::FailingCall(Call call, int error_number, int times, int passed) : call_(call) {
  Order& order = order_of(call);
  order.passes = passed, order.fails = times, order.met = 0;
  order.error_number = error_number;
}
FailingCall::~FailingCall() { order_of(call_).error_number = 0; }
int FailingCall::met() const { return order_of(call_).met; }

}  // namespace tongueforge::testing

using namespace tongueforge::testing;

// Looked up once: after a fork nobody waits for the lock of the loader.
#define NEXT(name)                                   \
  ([]() -> decltype(& ::name) {                      \
    static auto* const found = next(#name, &::name); \
    return found;                                    \
  }())
#define OURS extern "C" __attribute__((visibility("hidden")))

OURS int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) ? va_arg(more, mode_t) : 0;
  va_end(more);
  return refused(Call::Open) ? -1 : NEXT(open)(path, flags, mode);
}
OURS int fstat(int fd, struct stat* info) noexcept {
  using Function = int(int, struct stat*);
  return refused(Call::Fstat) ? -1 : next<Function>("fstat", nullptr)(fd, info);
}
OURS int stat(const char* path, struct stat* info) noexcept {
  using Function = int(const char*, struct stat*);
  return refused(Call::Stat) ? -1 : next<Function>("stat", nullptr)(path, info);
}
OURS ssize_t pread(int fd, void* bytes, size_t count, off_t offset) {
  return refused(Call::Pread) ? -1 : NEXT(pread)(fd, bytes, count, offset);
}
OURS ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  const int fate = fate_of(Call::Pwrite);
  if (fate > 0) return errno = fate, -1;
  if (fate == kNothing) return 0;
  return NEXT(pwrite)(fd, bytes, fate == kHalf ? (count + 1) / 2 : count, offset);
}
OURS int fallocate(int fd, int mode, off_t offset, off_t length) {
  return refused(Call::Allocate) ? -1 : NEXT(fallocate)(fd, mode, offset, length);
}
OURS int ftruncate(int fd, off_t length) noexcept {
  return refused(Call::Truncate) ? -1 : NEXT(ftruncate)(fd, length);
}
OURS int fsync(int fd) { return refused(Call::Sync) ? -1 : NEXT(fsync)(fd); }
OURS int close(int fd) {
  const int result = NEXT(close)(fd);  // the descriptor is gone either way, as on Linux
  return refused(Call::Close) ? -1 : result;
}
OURS int flock(int fd, int operation) noexcept {
  return refused(Call::Lock) ? -1 : NEXT(flock)(fd, operation);
}
OURS int mkdir(const char* path, mode_t mode) noexcept {
  return refused(Call::Mkdir) ? -1 : NEXT(mkdir)(path, mode);
}
OURS int rename(const char* from, const char* to) noexcept {
  return refused(Call::Rename) ? -1 : NEXT(rename)(from, to);
}
OURS int renameat2(int from_folder, const char* from, int to_folder, const char* to,
                   unsigned flags) noexcept {
  return refused(Call::RenameAt) ? -1 : NEXT(renameat2)(from_folder, from, to_folder, to, flags);
}
