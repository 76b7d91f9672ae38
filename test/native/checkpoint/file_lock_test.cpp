#include "checkpoint/file_lock.h"

#include <sys/wait.h>

#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::FileLock;

TEST_CASE("a lock that is held is refused with the note of its holder, and free again afterwards") {
  const TempFolder folder;
  auto lock = FileLock::take(folder / "lock", "first");
  CHECK(lock->left_behind().empty());
  const Error error = caught([&] { FileLock::take(folder / "lock", "second"); });
  CHECK(error.code() == "ERR_BUSY");
  CHECK(error.details() == ErrorDetails{{"file", folder / "lock"}, {"holder", "first"}});
  CHECK(slurp(folder / "lock") == "first");
  lock.reset();
  CHECK(folder.names().empty());
  CHECK(FileLock::take(folder / "lock", "third")->left_behind().empty());
}

TEST_CASE("a holder that was killed leaves its note, not its lock") {
  const TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = FileLock::take(folder / "lock", "of the child");
    ::_exit(0);  // runs no destructor
  }
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK(slurp(folder / "lock") == "of the child");
  const auto lock = FileLock::take(folder / "lock", "mine");
  CHECK(lock->left_behind() == "of the child");
  CHECK(slurp(folder / "lock") == "mine");
}

TEST_CASE("letting go removes no file that another holder has put there") {
  const TempFolder folder;
  auto mine = FileLock::take(folder / "lock", "mine");
  std::filesystem::remove(folder / "lock");
  const auto other = FileLock::take(folder / "lock", "other's");
  mine.reset();
  CHECK(slurp(folder / "lock") == "other's");
}

TEST_CASE("a lock in a folder that is not there says so") {
  const TempFolder folder;
  CHECK(caught([&] { FileLock::take(folder / "none/lock", "x"); }).code() == "ERR_NOT_FOUND");
}
