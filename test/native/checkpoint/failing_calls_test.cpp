// What files, locks and published folders make of a system that refuses, interrupts or does less.
#include "checkpoint/failing_calls.h"

#include <cerrno>

#include "checkpoint/file_lock.h"
#include "checkpoint/posix_file.h"
#include "checkpoint/publish.h"
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::FileLock;
using checkpoint::PosixFile;
namespace fs = std::filesystem;

namespace {

using Names = std::vector<std::string>;

std::string staged_model(const std::string& out, const std::string& text, bool overwrite) {
  const std::string path = checkpoint::stage(out, overwrite).path;
  spill(path + "/config.json", text);
  spill(path + "/model.safetensors", text);
  return path;
}

/// Publishes a first model, then a second one over it while a call fails; returns the error, if one came.
std::optional<Error> overwrite_while(const TempFolder& folder, Call call, int error_number, int times = 1,
                                     int passed = 0) {
  SilentJob job;
  checkpoint::publish(staged_model(folder / "model", "one", false), folder / "model", false, job);
  const std::string staged = staged_model(folder / "model", "two", true);
  const FailingCall failing(call, error_number, times, passed);
  try {
    checkpoint::publish(staged, folder / "model", true, job);
  } catch (const Error& error) { return error; }
  return std::nullopt;
}

}  // namespace

TEST_CASE("files: a call that is interrupted is made again") {
  const TempFolder folder;
  for (const Call call : {Call::Open, Call::Pwrite, Call::Allocate, Call::Sync, Call::Close}) {
    CAPTURE(static_cast<int>(call));
    const FailingCall interrupted(call, EINTR, call == Call::Close ? 1 : 3);
    PosixFile file = PosixFile::create(folder / std::to_string(static_cast<int>(call)));
    file.preallocate(4);
    file.pwrite_exact("word", 4, 0);
    file.sync();
    CHECK_NOTHROW(file.close());
    CHECK(interrupted.met() == (call == Call::Close ? 1 : 3));
    CHECK(slurp(folder / std::to_string(static_cast<int>(call))) == "word");
  }
  const FailingCall interrupted(Call::Pread, EINTR, 2);
  CHECK(checkpoint::read_file(folder / "0", 100) == "word");
  CHECK(interrupted.met() == 2);
}

TEST_CASE("files: each refusal has its code, the file and the reason of the system") {
  const TempFolder folder;
  const std::pair<int, const char*> codes[] = {
      {ENOENT, "ERR_NOT_FOUND"}, {ENOTDIR, "ERR_NOT_FOUND"}, {ELOOP, "ERR_NOT_FOUND"},
      {EEXIST, "ERR_EXISTS"},    {ENOTEMPTY, "ERR_EXISTS"},  {ENOSPC, "ERR_NO_SPACE"},
      {EDQUOT, "ERR_NO_SPACE"},  {EFBIG, "ERR_NO_SPACE"},    {ENOMEM, "ERR_OUT_OF_MEMORY"},
      {EMFILE, "ERR_IO"},        {ENFILE, "ERR_IO"},         {EACCES, "ERR_IO"},
      {EPERM, "ERR_IO"},         {EROFS, "ERR_IO"},          {EIO, "ERR_IO"}};
  for (const auto& [number, code] : codes) {
    CAPTURE(number);
    const FailingCall failing(Call::Open, number);
    const Error error = caught([&] { PosixFile::create(folder / "f"); });
    CHECK(error.code() == code);
    CHECK(detail(error, "file") == folder / "f");
    CHECK(detail(error, "errno") == std::to_string(number));
    CHECK_FALSE(error.hint().empty());
  }
}

TEST_CASE("files: no call that fails goes unnoticed") {
  const TempFolder folder;
  spill(folder / "old", "word");
  for (const Call call :
       {Call::Fstat, Call::Pread, Call::Pwrite, Call::Allocate, Call::Truncate, Call::Sync, Call::Close}) {
    CAPTURE(static_cast<int>(call));
    const FailingCall failing(call, EIO, 1, call == Call::Close ? 1 : 0);  // what was read is let go unasked
    const Error error = caught([&] {
      checkpoint::read_file(folder / "old", 100);
      PosixFile file = PosixFile::create(folder / std::to_string(static_cast<int>(call)));
      file.preallocate(0);  // by ftruncate
      file.preallocate(4);
      file.pwrite_exact("word", 4, 0);
      file.sync();
      file.close();
    });
    CHECK(error.code() == "ERR_IO");
    CHECK(failing.met() == 1);
  }
  PosixFile file = PosixFile::open_write(folder / "old");
  const FailingCall failing(Call::Fstat, EIO);
  CHECK(caught([&] { file.stamp(); }).message().find("look at") != std::string::npos);
}

TEST_CASE("files: a write that takes the half is gone on with, one that takes nothing is an error") {
  const TempFolder folder;
  {
    const FailingCall short_writes(Call::Pwrite, kHalf, 3);
    checkpoint::write_file(folder / "f", "0123456789");
    CHECK(short_writes.met() == 3);
  }
  CHECK(slurp(folder / "f") == "0123456789");
  const FailingCall nothing(Call::Pwrite, kNothing);
  const Error error = caught([&] { checkpoint::write_file(folder / "g", "0123456789"); });
  CHECK(error.code() == "ERR_IO");
  CHECK(detail(error, "bytes_needed") == "10");
}

TEST_CASE("files: where room cannot be reserved, the size is set") {
  for (const int number : {EOPNOTSUPP, ENOSYS, EINVAL}) {
    const TempFolder folder;
    const FailingCall unsupported(Call::Allocate, number);
    PosixFile file = PosixFile::create(folder / "f");
    file.preallocate(9);
    CHECK(unsupported.met() == 1);
    CHECK(file.stamp().size == 9);
  }
}

TEST_CASE("lock: a file system without locks gives it, any other refusal is told") {
  const TempFolder folder;
  for (const int number : {ENOSYS, ENOTSUP, ENOLCK, EINVAL}) {
    const FailingCall failing(Call::Lock, number);
    CHECK(FileLock::take(folder / "run.lock", "me") != nullptr);
    CHECK(failing.met() == 1);
  }
  {
    const FailingCall interrupted(Call::Lock, EINTR, 2);
    CHECK(FileLock::take(folder / "run.lock", "me") != nullptr);
  }
  const FailingCall failing(Call::Lock, EIO);
  CHECK(caught([&] { FileLock::take(folder / "run.lock", "me"); }).message().find("lock") !=
        std::string::npos);
}

TEST_CASE("lock: on a file system without locks a note holds it, unless its writer is known to have ended") {
  const TempFolder folder;
  const FailingCall failing(Call::Lock, ENOSYS, 100);
  const std::string path = folder / "run.lock";
  auto first = FileLock::take(path, "first");
  for (const std::string ended : {"", "another", "firs"}) {
    const Error error = caught([&] { FileLock::take(path, "second", ended); });
    CHECK(error.code() == "ERR_BUSY");
    CHECK(error.details() == ErrorDetails{{"file", path}, {"holder", "first"}, {"unlocked", "true"}});
    CHECK(slurp(path) == "first");
  }
  {
    const auto heir = FileLock::take(path, "second", "first");
    CHECK(heir->left_behind() == "first");
    CHECK(slurp(path) == "second");
  }
  CHECK(folder.names().empty());
  CHECK(FileLock::take(path, "third")->left_behind().empty());
}

TEST_CASE("lock: a note that cannot be written holds nobody up") {
  const TempFolder folder;
  for (const Call call : {Call::Pwrite, Call::Truncate}) {
    const FailingCall failing(call, EIO);
    CHECK(caught([&] { FileLock::take(folder / "run.lock", "process 7"); }).code() == "ERR_IO");
    CHECK(folder.names().empty());
  }
}

TEST_CASE("lock: its note is written whole, or the lock is not taken") {
  const TempFolder folder;
  const auto take = [&] { return FileLock::take(folder / "run.lock", "process 7"); };
  for (const int fate : {kHalf, EINTR}) {
    const FailingCall failing(Call::Pwrite, fate, 2);
    const auto lock = take();
    CHECK(failing.met() == 2);
    CHECK(slurp(folder / "run.lock") == "process 7");
  }
  for (const auto& [call, fate] :
       {std::pair{Call::Pwrite, kNothing}, {Call::Pwrite, EIO}, {Call::Truncate, EIO}}) {
    const FailingCall failing(call, fate);
    CHECK(caught(take).code() == "ERR_IO");
  }
  CHECK_NOTHROW(take());
  {
    const FailingCall interrupted(Call::Open, EINTR);
    CHECK_NOTHROW(take());
  }
  for (const Call call : {Call::Fstat, Call::Stat}) {
    const FailingCall unseen(call, EIO);  // looks once more, in vain only once
    CHECK_NOTHROW(take());
    CHECK(unseen.met() == 1);
  }
}

TEST_CASE("publish: without an exchange of names the old folder is set aside first") {
  for (const int number : {EINVAL, ENOSYS}) {
    const TempFolder folder;
    CHECK_FALSE(overwrite_while(folder, Call::RenameAt, number).has_value());
    CHECK(slurp(folder / "model/config.json") == "two");
    CHECK(folder.names() == Names{"model"});
    const std::string staged = staged_model(folder / "other", "three", false);
    const FailingCall failing(Call::RenameAt, number);
    SilentJob job;
    checkpoint::publish(staged, folder / "other", false, job);
    CHECK(slurp(folder / "other/config.json") == "three");
  }
}

TEST_CASE("publish: a refused rename leaves the old folder as it was") {
  const TempFolder folder;
  const auto error = overwrite_while(folder, Call::RenameAt, EIO);
  REQUIRE(error.has_value());
  CHECK(error->message().find("publish") != std::string::npos);
  CHECK(slurp(folder / "model/config.json") == "one");
  const std::string staged = staged_model(folder / "other", "three", false);
  SilentJob job;
  const FailingCall failing(Call::RenameAt, EIO);
  CHECK(caught([&] { checkpoint::publish(staged, folder / "other", false, job); }).code() == "ERR_IO");
  CHECK_FALSE(fs::exists(folder / "other"));
}

TEST_CASE("publish: a folder that cannot be brought to disk is told, one that knows no sync is not") {
  for (const int number : {EIO, EINVAL, EINTR}) {
    CAPTURE(number);
    const TempFolder folder;
    // Two files, the staged folder, then the one that holds it.
    const auto error = overwrite_while(folder, Call::Sync, number, 1, 2);
    CHECK(error.has_value() == (number == EIO));
    CHECK(slurp(folder / "model/config.json") == (number == EIO ? "one" : "two"));
  }
  const TempFolder folder;
  REQUIRE(overwrite_while(folder, Call::Sync, EIO, 1, 3)
              .has_value());  // swapped in, and told that it may be lost
  CHECK(slurp(folder / "model/config.json") == "two");
  const TempFolder unopened;
  REQUIRE(overwrite_while(unopened, Call::Open, EMFILE).has_value());
  CHECK(slurp(unopened / "model/config.json") == "one");
}

TEST_CASE("publish: a stage that cannot be made is told") {
  const TempFolder folder;
  const FailingCall failing(Call::Mkdir, ENOSPC);
  CHECK(caught([&] { checkpoint::stage(folder / "model", false); }).code() == "ERR_NO_SPACE");
  CHECK(folder.names().empty());
}

TEST_CASE(
    "publish: without an exchange of names, what cannot be put in its place leaves the old folder there") {
  for (const int passed : {0, 1}) {  // setting the old one aside, and putting the new one in its place
    const TempFolder folder;
    const FailingCall no_exchange(Call::RenameAt, EINVAL, 1, 1);
    const auto error = overwrite_while(folder, Call::Rename, EIO, 1, passed);
    REQUIRE(error.has_value());
    CHECK(error->code() == "ERR_IO");
    CHECK(slurp(folder / "model/config.json") == "one");
  }
  const TempFolder folder;
  const FailingCall no_exchange(Call::RenameAt, EINVAL, 1, 1);
  const auto error = overwrite_while(folder, Call::Rename, EIO, 2, 1);
  REQUIRE(error.has_value());
  CHECK(error->hint().find("rename the one you want") != std::string::npos);
  CHECK(folder.names().size() == 2);  // both are there, under names of their own
}

TEST_CASE("publish: a place that is taken in the last instant is told, with what was staged") {
  for (const int number : {EEXIST, ENOTEMPTY}) {
    const TempFolder folder;
    const std::string staged = staged_model(folder / "model", "one", false);
    const FailingCall taken(Call::RenameAt, number);
    SilentJob job;
    const Error error = caught([&] { checkpoint::publish(staged, folder / "model", false, job); });
    CHECK(error.code() == "ERR_EXISTS");
    CHECK(detail(error, "staged") == staged);
  }
}

TEST_CASE(
    "publish: a file that cannot be brought to disk is told, whatever its file system knows of folders") {
  const TempFolder folder;
  const auto error = overwrite_while(folder, Call::Sync, EINVAL);
  REQUIRE(error.has_value());
  CHECK(error->message().find("bring to disk") != std::string::npos);
  CHECK(slurp(folder / "model/config.json") == "one");
}

TEST_CASE("publish: without an exchange of names a new folder that cannot be put there is told") {
  const TempFolder folder;
  const std::string staged = staged_model(folder / "model", "one", false);
  const FailingCall no_exchange(Call::RenameAt, ENOSYS), refused(Call::Rename, EIO);
  SilentJob job;
  CHECK(caught([&] { checkpoint::publish(staged, folder / "model", false, job); }).code() == "ERR_IO");
  CHECK(no_exchange.met() == 1);
  CHECK_FALSE(fs::exists(folder / "model"));
  CHECK(slurp(staged + "/config.json") == "one");
}

TEST_CASE("publish: what another has taken over in the same instant is left to it") {
  const TempFolder folder;
  const std::string path = checkpoint::stage(folder / "model", false).path;
  spill(path + "/.journal", "half");
  REQUIRE(checkpoint::keep(path));
  const FailingCall gone(Call::Rename, ENOENT);
  CHECK_FALSE(checkpoint::stage(folder / "model", false, true).resumed);
  CHECK(gone.met() == 1);
}
