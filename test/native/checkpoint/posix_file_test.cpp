#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "checkpoint/posix_file.h"
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::PosixFile;

namespace {

/// No file may grow above a limit while this lives: the nearest thing to a full disk that needs no disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old_) == 0);
    const rlimit limit = {bytes, old_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

}  // namespace

TEST_CASE("what is written at an offset is read at that offset") {
  const TempFolder folder;
  PosixFile out = PosixFile::create(folder / "f");
  out.preallocate(10);
  out.pwrite_exact("world", 5, 5);
  out.pwrite_exact("hello", 5, 0);
  out.start_writeback(0, 10);
  out.sync();
  out.close();
  char bytes[5];
  const PosixFile in = PosixFile::open_read(folder / "f");
  in.pread_exact(bytes, 5, 3);
  CHECK(std::string(bytes, 5) == "lowor");
  CHECK(in.stamp().size == 10);
}

TEST_CASE("a missing file, a folder and a pipe are refused at once, by name") {
  const TempFolder folder;
  const Error missing = caught([&] { PosixFile::open_read(folder / "nothing"); });
  CHECK(missing.code() == "ERR_NOT_FOUND");
  CHECK(missing.message().find(folder / "nothing") != std::string::npos);
  CHECK(caught([&] { PosixFile::open_read(folder.path()); }).message().find("folder") != std::string::npos);
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  const Error pipe = caught([&] { PosixFile::open_read(folder / "pipe"); });
  CHECK(pipe.code() == "ERR_IO");
  CHECK(pipe.message().find("pipe or device") != std::string::npos);
  CHECK(caught([] { PosixFile::open_read("/dev/zero"); }).code() == "ERR_IO");
}

TEST_CASE("a path with a NUL does not become a shorter path") {
  const TempFolder folder;
  spill(folder / "f", "x");
  CHECK(caught([&] { PosixFile::open_read((folder / "f") + std::string("\0.txt", 5)); }).code() ==
        "ERR_NOT_FOUND");
}

TEST_CASE("a link to a file is followed") {
  const TempFolder folder;
  spill(folder / "f", "linked");
  std::filesystem::create_symlink("f", folder / "l");
  CHECK(checkpoint::read_file(folder / "l", 100) == "linked");
}

TEST_CASE("reading past the end is an error that says how much is missing") {
  const TempFolder folder;
  spill(folder / "f", "12345");
  const PosixFile file = PosixFile::open_read(folder / "f");
  char bytes[8];
  const Error error = caught([&] { file.pread_exact(bytes, 8, 2); });
  CHECK(error.code() == "ERR_IO");
  CHECK(detail(error, "offset") == "5");
}

TEST_CASE("a file that exists is never created over") {
  const TempFolder folder;
  spill(folder / "f", "kept");
  CHECK(caught([&] { PosixFile::create(folder / "f"); }).code() == "ERR_EXISTS");
  CHECK(slurp(folder / "f") == "kept");
}

TEST_CASE("no room is met before writing, and named with the bytes needed") {
  const TempFolder folder;
  PosixFile file = PosixFile::create(folder / "f");
  std::optional<Error> reserve, write;
  {
    const FileSizeLimit limit(4096);
    reserve = caught([&] { file.preallocate(8192); });
    write = caught([&] { file.pwrite_exact(std::string(8192, 'x').data(), 8192, 0); });
  }
  CHECK(reserve->code() == "ERR_NO_SPACE");
  CHECK(detail(*reserve, "bytes_needed") == "8192");
  CHECK(write->code() == "ERR_NO_SPACE");
  CHECK(detail(*write, "bytes_needed") == "4096");  // the first half was written
  CHECK(detail(*write, "file") == folder / "f");
}

TEST_CASE("a small file above its limit is not read") {
  const TempFolder folder;
  spill(folder / "f", std::string(11, 'x'));
  CHECK(caught([&] { checkpoint::read_file(folder / "f", 10); }).code() == "ERR_IO");
}
