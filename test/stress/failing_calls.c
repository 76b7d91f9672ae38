// Preloaded before libc: lets one system call on files below a folder fail, to see what becomes of the work around it.
//   FAIL_UNDER   the folder
//   FAIL_CALL    pwrite, write, fallocate, fsync or rename
//   FAIL_AT      which call of that kind fails, from 1; 0: none, they are only counted
//   FAIL_ERRNO   with what
//   FAIL_TIMES   how many from there on; default: 1
//   FAIL_COUNT   a file that gets the number of calls at the end
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_int calls;

static int number_of(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text ? atoi(text) : otherwise;
}

// Whether this call is to fail.
static int fails(const char* call, const char* path) {
  const char *wanted = getenv("FAIL_CALL"), *under = getenv("FAIL_UNDER");
  if (!wanted || !under || strcmp(wanted, call) != 0 || strncmp(path, under, strlen(under)) != 0) return 0;
  const int number = ++calls, at = number_of("FAIL_AT", 0);
  if (at == 0 || number < at || number >= at + number_of("FAIL_TIMES", 1)) return 0;
  errno = number_of("FAIL_ERRNO", ENOSPC);
  return 1;
}

static int fails_on(const char* call, int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  const int error = errno;
  if (fails(call, path)) return 1;
  errno = error;
  return 0;
}

__attribute__((destructor)) static void tell(void) {
  const char* path = getenv("FAIL_COUNT");
  FILE* file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  fprintf(file, "%d", calls);
  fclose(file);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void* from, size_t count, off_t at) {
  return fails_on("pwrite", fd) ? -1 : REAL(pwrite)(fd, from, count, at);
}
ssize_t pwrite64(int fd, const void* from, size_t count, off64_t at) {
  return fails_on("pwrite", fd) ? -1 : REAL(pwrite64)(fd, from, count, at);
}
ssize_t write(int fd, const void* from, size_t count) {
  return fails_on("write", fd) ? -1 : REAL(write)(fd, from, count);
}
int fallocate(int fd, int mode, off_t at, off_t count) {
  return fails_on("fallocate", fd) ? -1 : REAL(fallocate)(fd, mode, at, count);
}
int fallocate64(int fd, int mode, off64_t at, off64_t count) {
  return fails_on("fallocate", fd) ? -1 : REAL(fallocate64)(fd, mode, at, count);
}
int fsync(int fd) { return fails_on("fsync", fd) ? -1 : REAL(fsync)(fd); }
int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  return fails("rename", to) ? -1 : REAL(renameat2)(from_fd, from, to_fd, to, flags);
}
