// Preloaded before libc: makes one write-side call below a folder fail, write less than it was given, or end the process,
// to see what becomes of the work around it. What it does stands in a file that is mapped into memory, so that a test
// gives the next order to a process that runs, and reads what became of the last one: FAIL_CONTROL names the file,
// its layout is `struct control` and test/helpers/failing_calls.mjs.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { CREATE, MKDIR, WRITE, COPY, ALLOCATE, TRUNCATE, SYNC, CLOSE, RENAME, LINK, UNLINK, LOCK, MODE, KINDS };
enum action { COUNT, FAIL, SHORTEN, LIE, KILL, TEAR };

struct control {
  _Atomic uint32_t action;
  uint32_t kinds;  // bit k: calls of kind k are counted, and the one at `at` is met
  uint32_t at;     // from 1
  uint32_t after;  // bit k: once one was met, all later calls of kind k are too
  uint32_t error;  // errno
  _Atomic uint32_t seen, met;
  _Atomic uint32_t counts[KINDS];
  uint32_t met_kind;
  char under[1024], met_path[1024];
};

static struct control* control;

__attribute__((constructor)) static void map(void) {
  const char* path = getenv("FAIL_CONTROL");
  const int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
  if (fd < 0) return;
  void* at = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at != MAP_FAILED) control = at;
  syscall(SYS_close, fd);
}

static int is_under(const char* path) {
  const size_t length = strlen(control->under);
  return length > 0 && strncmp(path, control->under, length) == 0;
}

// What is to be done with this call; errno is set where it is FAIL. Does not come back from a KILL.
static enum action order(enum kind kind, const char* path) {
  if (!control || !is_under(path)) return COUNT;
  ++control->counts[kind];
  const uint32_t bit = 1u << kind;
  int meets = control->met > 0 && (control->after & bit);
  if (control->kinds & bit) meets |= ++control->seen == control->at;
  if (!meets || control->action == COUNT) return COUNT;
  if (control->met++ == 0) {
    control->met_kind = kind;
    strncpy(control->met_path, path, sizeof control->met_path - 1);
  }
  if (control->action == KILL) kill(getpid(), SIGKILL);
  errno = (int)control->error;
  return control->action;
}

static enum action order_fd(enum kind kind, int fd) {
  if (!control) return COUNT;
  char link[64], path[4096];
  const int error = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  errno = error;
  if (length < 0) return COUNT;
  path[length] = 0;
  return order(kind, path);
}

static enum action order_at(enum kind kind, int folder, const char* name) {
  if (!control) return COUNT;
  if (name[0] == '/') return order(kind, name);
  char link[64], path[8192];
  snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
  const int error = errno;
  const ssize_t length = readlink(link, path, 4095);
  errno = error;
  if (length < 0) return COUNT;
  snprintf(path + length, sizeof path - (size_t)length, "/%s", name);
  return order(kind, path);
}

static int fails(enum kind kind, const char* path) { return order_at(kind, AT_FDCWD, path) == FAIL; }
static int fails_fd(enum kind kind, int fd) { return order_fd(kind, fd) == FAIL; }

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// ---- data ----

// `call(count)` is the real one. A torn write comes to the disk in part, and then the process is gone.
#define WRITES(kind, fd, count, call)                            \
  switch (order_fd(kind, fd)) {                                  \
    case FAIL: return -1;                                        \
    case SHORTEN: return (count) > 1 ? call((count) / 2) : call(count); \
    case LIE: return call((count) / 2) < 0 ? -1 : (ssize_t)(count);     \
    case TEAR: (void)!call((count) / 2); return kill(getpid(), SIGKILL); \
    default: return call(count);                                 \
  }

ssize_t write(int fd, const void* from, size_t count) {
#define CALL(n) REAL(write)(fd, from, n)
  WRITES(WRITE, fd, count, CALL)
#undef CALL
}
ssize_t pwrite(int fd, const void* from, size_t count, off_t at) {
#define CALL(n) REAL(pwrite)(fd, from, n, at)
  WRITES(WRITE, fd, count, CALL)
#undef CALL
}
ssize_t pwrite64(int fd, const void* from, size_t count, off64_t at) {
#define CALL(n) REAL(pwrite64)(fd, from, n, at)
  WRITES(WRITE, fd, count, CALL)
#undef CALL
}
static size_t total(const struct iovec* parts, int number) {
  size_t sum = 0;
  for (int i = 0; i < number; ++i) sum += parts[i].iov_len;
  return sum;
}
// The first `count` bytes of several parts.
static ssize_t write_parts(int fd, const struct iovec* parts, int number, size_t count, off64_t at) {
  struct iovec some[1024];
  int used = 0;
  for (; used < number && used < 1024 && count > 0; ++used) {
    some[used] = parts[used];
    if (some[used].iov_len > count) some[used].iov_len = count;
    count -= some[used].iov_len;
  }
  return at < 0 ? REAL(writev)(fd, some, used) : REAL(pwritev64)(fd, some, used, at);
}
ssize_t writev(int fd, const struct iovec* parts, int number) {
  const size_t count = total(parts, number);
#define CALL(n) write_parts(fd, parts, number, n, -1)
  WRITES(WRITE, fd, count, CALL)
#undef CALL
}
ssize_t pwritev(int fd, const struct iovec* parts, int number, off_t at) {
  const size_t count = total(parts, number);
#define CALL(n) write_parts(fd, parts, number, n, at)
  WRITES(WRITE, fd, count, CALL)
#undef CALL
}
ssize_t pwritev64(int fd, const struct iovec* parts, int number, off64_t at) {
  const size_t count = total(parts, number);
#define CALL(n) write_parts(fd, parts, number, n, at)
  WRITES(WRITE, fd, count, CALL)
#undef CALL
}
ssize_t sendfile(int to, int from, off_t* at, size_t count) {
#define CALL(n) REAL(sendfile)(to, from, at, n)
  WRITES(COPY, to, count, CALL)
#undef CALL
}
ssize_t sendfile64(int to, int from, off64_t* at, size_t count) {
#define CALL(n) REAL(sendfile64)(to, from, at, n)
  WRITES(COPY, to, count, CALL)
#undef CALL
}
ssize_t copy_file_range(int from, off64_t* at, int to, off64_t* to_at, size_t count, unsigned flags) {
#define CALL(n) REAL(copy_file_range)(from, at, to, to_at, n, flags)
  WRITES(COPY, to, count, CALL)
#undef CALL
}
// libuv calls copy_file_range past libc.
long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[6];
  for (int i = 0; i < 6; ++i) a[i] = va_arg(list, long);
  va_end(list);
#define CALL(n) REAL(syscall)(number, a[0], a[1], a[2], a[3], n, a[5])
  if (number == SYS_copy_file_range) WRITES(COPY, (int)a[2], a[4], CALL)
#undef CALL
  return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void* argument = va_arg(list, void*);
  va_end(list);
  if (request == FICLONE && fails_fd(COPY, fd)) return -1;
  return REAL(ioctl)(fd, request, argument);
}
int fallocate(int fd, int mode, off_t at, off_t count) {
  return fails_fd(ALLOCATE, fd) ? -1 : REAL(fallocate)(fd, mode, at, count);
}
int fallocate64(int fd, int mode, off64_t at, off64_t count) {
  return fails_fd(ALLOCATE, fd) ? -1 : REAL(fallocate64)(fd, mode, at, count);
}
int ftruncate(int fd, off_t size) { return fails_fd(TRUNCATE, fd) ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return fails_fd(TRUNCATE, fd) ? -1 : REAL(ftruncate64)(fd, size); }
int fsync(int fd) { return fails_fd(SYNC, fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails_fd(SYNC, fd) ? -1 : REAL(fdatasync)(fd); }

// ---- names ----

// Of those that open to write. A failed close has closed, as Linux does it.
static int opens_to_write(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)); }

#define OPENS(name, at, ...)                                                    \
  va_list list;                                                                 \
  va_start(list, flags);                                                        \
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, mode_t) : 0; \
  va_end(list);                                                                 \
  if (opens_to_write(flags) && order_at(CREATE, at, path) == FAIL) return -1;   \
  return REAL(name)(__VA_ARGS__, mode);

int open(const char* path, int flags, ...) { OPENS(open, AT_FDCWD, path, flags) }
int open64(const char* path, int flags, ...) { OPENS(open64, AT_FDCWD, path, flags) }
int openat(int at, const char* path, int flags, ...) { OPENS(openat, at, at, path, flags) }
int openat64(int at, const char* path, int flags, ...) { OPENS(openat64, at, at, path, flags) }

int close(int fd) {
  const int error = errno;
  const int flags = control ? fcntl(fd, F_GETFL) : -1;
  errno = error;
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || !fails_fd(CLOSE, fd)) return REAL(close)(fd);
  const int wanted = errno;
  REAL(close)(fd);
  errno = wanted;
  return -1;
}
int mkdir(const char* path, mode_t mode) { return fails(MKDIR, path) ? -1 : REAL(mkdir)(path, mode); }
char* mkdtemp(char* pattern) { return fails(MKDIR, pattern) ? NULL : REAL(mkdtemp)(pattern); }
int rename(const char* from, const char* to) { return fails(RENAME, to) ? -1 : REAL(rename)(from, to); }
int renameat(int from_at, const char* from, int to_at, const char* to) {
  return order_at(RENAME, to_at, to) == FAIL ? -1 : REAL(renameat)(from_at, from, to_at, to);
}
int renameat2(int from_at, const char* from, int to_at, const char* to, unsigned flags) {
  return order_at(RENAME, to_at, to) == FAIL ? -1 : REAL(renameat2)(from_at, from, to_at, to, flags);
}
int link(const char* from, const char* to) { return fails(LINK, to) ? -1 : REAL(link)(from, to); }
int symlink(const char* to, const char* path) { return fails(LINK, path) ? -1 : REAL(symlink)(to, path); }
int unlink(const char* path) { return fails(UNLINK, path) ? -1 : REAL(unlink)(path); }
int unlinkat(int at, const char* path, int flags) {
  return order_at(UNLINK, at, path) == FAIL ? -1 : REAL(unlinkat)(at, path, flags);
}
int rmdir(const char* path) { return fails(UNLINK, path) ? -1 : REAL(rmdir)(path); }
int remove(const char* path) { return fails(UNLINK, path) ? -1 : REAL(remove)(path); }
int flock(int fd, int operation) { return fails_fd(LOCK, fd) ? -1 : REAL(flock)(fd, operation); }
int fchmod(int fd, mode_t mode) { return fails_fd(MODE, fd) ? -1 : REAL(fchmod)(fd, mode); }
