// Preloaded before libc: lets one allocation of native work fail, to see what becomes of the work. Only threads of ours
// are meant: those that tongueforge.node starts for its jobs and those of libtorch. V8 and Node end the process when
// they find no memory, whatever an addon does; and so does the loader where a thread touches the thread-local data of a
// library for the first time, so its allocations are left alone.
// FAIL_MEMORY names a file of five 64-bit numbers, shared with whoever asks for failures:
//   0 least   bytes; smaller ones never fail and are not counted
//   1 at      which allocation fails, from 1; 0: none
//   2 times   how many from there on
//   3 calls   counted since at was set; written here
//   4 failed  how many did; written here
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
  _Atomic int64_t least, at, times, calls, failed;
};

static struct control* control;
static __thread int ours __attribute__((tls_model("initial-exec")));

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

__attribute__((constructor)) static void open_control(void) {
  const char* path = getenv("FAIL_MEMORY");
  const int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void* shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (shared != MAP_FAILED) control = shared;
}

static int is_in(const void* address, const char* library) {
  Dl_info found;
  return dladdr(address, &found) && found.dli_fname && strstr(found.dli_fname, library) != NULL;
}

static int fails(size_t size, const void* caller) {
  if (!ours || !control) return 0;
  const int64_t at = control->at;
  if (at == 0 || (int64_t)size < control->least || is_in(caller, "/ld-linux")) return 0;
  const int64_t number = ++control->calls;
  if (number < at || number >= at + control->times) return 0;
  control->failed++;
  errno = ENOMEM;
  return 1;
}

#define CALLER __builtin_return_address(0)

static void* aligned(size_t alignment, size_t size, const void* caller) {
  return fails(size, caller) ? NULL : __libc_memalign(alignment, size);
}

void* malloc(size_t size) { return fails(size, CALLER) ? NULL : __libc_malloc(size); }
void* calloc(size_t count, size_t size) {
  return fails(count * size, CALLER) ? NULL : __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) { return fails(size, CALLER) ? NULL : __libc_realloc(old, size); }
void* memalign(size_t alignment, size_t size) { return aligned(alignment, size, CALLER); }
void* aligned_alloc(size_t alignment, size_t size) { return aligned(alignment, size, CALLER); }
int posix_memalign(void** out, size_t alignment, size_t size) {
  void* memory = aligned(alignment, size, CALLER);
  if (!memory) return ENOMEM;
  *out = memory;
  return 0;
}
void* mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
  static __typeof__(&mmap) real;
  if (!real) real = (__typeof__(&mmap))dlsym(RTLD_NEXT, "mmap");
  return fd < 0 && fails(size, CALLER) ? MAP_FAILED : real(at, size, protection, flags, fd, offset);
}

// ---- which threads --------------------------------------------------------------------------------------

static int is_of_ours(const void* address) {
  return is_in(address, "tongueforge.node") || is_in(address, "libtorch") || is_in(address, "libgomp");
}

struct start {
  void* (*routine)(void*);
  void* argument;
};

static void* as_ours(void* given) {
  const struct start start = *(struct start*)given;
  free(given);
  ours = 1;
  return start.routine(start.argument);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*routine)(void*), void* argument) {
  static __typeof__(&pthread_create) real;
  if (!real) real = (__typeof__(&pthread_create))dlsym(RTLD_NEXT, "pthread_create");
  // A std::thread starts in the C++ library; its argument begins with a table of whoever made it.
  void* table = NULL;
  struct iovec to = {&table, sizeof table}, from = {argument, sizeof table};
  const int read = process_vm_readv(getpid(), &to, 1, &from, 1, 0) == sizeof table;
  if (!is_of_ours((void*)routine) && !(read && is_of_ours(table))) return real(thread, attributes, routine, argument);
  struct start* start = __libc_malloc(sizeof *start);
  if (!start) return EAGAIN;
  *start = (struct start){routine, argument};
  const int error = real(thread, attributes, as_ours, start);
  if (error) free(start);
  return error;
}
