#include "checkpoint/publish.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "checkpoint/stage_name.h"
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;
using checkpoint::Staged;
namespace fs = std::filesystem;

namespace {

using Names = std::vector<std::string>;

/// Stages and fills a small model folder.
Staged staged_model(const std::string& out, const std::string& text, bool overwrite = false) {
  Staged staged = checkpoint::stage(out, overwrite);
  spill(staged.path + "/config.json", text);
  spill(staged.path + "/model.safetensors", text);
  fs::create_directory(staged.path + "/deeper");
  spill(staged.path + "/deeper/file", text);
  return staged;
}

void publish(const std::string& out, const std::string& text, bool overwrite = false) {
  SilentJob job;
  checkpoint::publish(staged_model(out, text, overwrite).path, out, overwrite, job);
}

/// Stages in a process that dies at once; returns the name of what it left.
std::string stage_and_die(const std::string& out) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string path = checkpoint::stage(out, false).path;
    const bool told = ::write(ends[1], path.data(), path.size()) == static_cast<ssize_t>(path.size());
    ::_exit(told ? 0 : 1);
  }
  int status = 1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  char buffer[4096];
  const ssize_t length = ::read(ends[0], buffer, sizeof buffer);
  ::close(ends[0]), ::close(ends[1]);
  return fs::path(std::string(buffer, static_cast<size_t>(length))).filename().string();
}

}  // namespace

TEST_CASE("a published folder has its name and all its files, and nothing is left beside it") {
  const TempFolder folder;
  publish(folder / "model", "one");
  CHECK(folder.names() == Names{"model"});
  CHECK(slurp(folder / "model/deeper/file") == "one");
  CHECK(slurp(folder / "model/config.json") == "one");
}

TEST_CASE("parents are created, a trailing slash is harmless") {
  const TempFolder folder;
  publish(folder / "a/b/model/", "one");
  CHECK(slurp(folder / "a/b/model/config.json") == "one");
}

TEST_CASE("an existing folder is refused before any work") {
  const TempFolder folder;
  publish(folder / "model", "one");
  const Error error = caught([&] { checkpoint::stage(folder / "model", false); });
  CHECK(error.code() == "ERR_EXISTS");
  CHECK(error.hint().find("--overwrite") != std::string::npos);
  CHECK(folder.names() == Names{"model"});
  spill(folder / "file", "");
  CHECK(caught([&] { checkpoint::stage(folder / "file", true); }).code() == "ERR_EXISTS");
}

TEST_CASE("overwriting swaps the new folder in and deletes the old one") {
  const TempFolder folder;
  publish(folder / "model", "one");
  spill(folder / "model/only-in-old", "");
  publish(folder / "model", "two", true);
  CHECK(folder.names() == Names{"model"});
  CHECK(slurp(folder / "model/config.json") == "two");
  CHECK_FALSE(fs::exists(folder / "model/only-in-old"));
  publish(folder / "fresh", "three", true);  // nothing there: the same as without overwrite
  CHECK(slurp(folder / "fresh/config.json") == "three");
}

TEST_CASE("overwriting spares a folder that holds other things") {
  const TempFolder folder;
  fs::create_directory(folder / "home");
  spill(folder / "home/thesis.txt", "years");
  const Error error = caught([&] { checkpoint::stage(folder / "home", true); });
  CHECK(error.code() == "ERR_EXISTS");
  CHECK(slurp(folder / "home/thesis.txt") == "years");
  // A project's own config.json and report.json make no model of it.
  spill(folder / "home/config.json", "{}");
  spill(folder / "home/report.json", "{}");
  CHECK(caught([&] { checkpoint::stage(folder / "home", true); }).code() == "ERR_EXISTS");
  CHECK(caught([&] { checkpoint::check_output(folder / "home", true, {}); }).code() == "ERR_EXISTS");
  CHECK_NOTHROW(checkpoint::check_output(folder / "new", false, {folder / "home"}));
  fs::create_directory(folder / "empty");
  CHECK_NOTHROW(publish(folder / "empty", "one", true));
}

TEST_CASE("a folder that appears meanwhile is kept, and so is the staged one until it is discarded") {
  const TempFolder folder;
  SilentJob job;
  const Staged staged = staged_model(folder / "model", "mine");
  fs::create_directory(folder / "model");
  CHECK(caught([&] { checkpoint::publish(staged.path, folder / "model", false, job); }).code() ==
        "ERR_EXISTS");
  CHECK(fs::is_empty(folder / "model"));
  CHECK(slurp(staged.path + "/config.json") == "mine");
  checkpoint::discard(staged.path);
  CHECK(folder.names() == Names{"model"});
}

TEST_CASE("a folder that appears in the last instant is not replaced, not even an empty one") {
  struct Rival final : Job {
    std::string path;
    bool cancelled() const override { return false; }
    void emit(Value) override {}
    void progress(Value) override { fs::create_directory(path); }
  };
  const TempFolder folder;
  Rival rival;
  rival.path = folder / "model";
  const Staged staged = staged_model(folder / "model", "mine");
  const Error error = caught([&] { checkpoint::publish(staged.path, folder / "model", false, rival); });
  CHECK(error.code() == "ERR_EXISTS");
  CHECK(detail(error, "staged") == staged.path);
  CHECK(fs::is_empty(folder / "model"));
}

TEST_CASE("a cancelled publication leaves the old folder, and nothing once discarded") {
  const TempFolder folder;
  publish(folder / "model", "one");
  for (int checks = 0; checks < 3; ++checks) {
    const Staged staged = staged_model(folder / "model", "two", true);
    CancelAfter job(checks);
    CHECK_THROWS_AS(checkpoint::publish(staged.path, folder / "model", true, job), Cancelled);
    CHECK(slurp(folder / "model/config.json") == "one");
    checkpoint::discard(staged.path);
    CHECK(folder.names() == Names{"model"});
  }
}

TEST_CASE("a cancelled publication of what can be gone on with still can be") {
  const TempFolder folder;
  const Staged staged = staged_model(folder / "model", "one");
  spill(staged.path + "/" + std::string(checkpoint::kJournalName), "how far it was");
  CancelAfter job(1);
  CHECK_THROWS_AS(checkpoint::publish(staged.path, folder / "model", false, job), Cancelled);
  CHECK(checkpoint::keep(staged.path));
  const Staged again = checkpoint::stage(folder / "model", false, /*resume=*/true);
  CHECK(again.resumed);
  SilentJob undisturbed;
  checkpoint::publish(again.path, folder / "model", false, undisturbed);
  CHECK(folder.names() == Names{"model"});
  CHECK_FALSE(fs::exists(fs::path(folder / "model") / checkpoint::kJournalName));
}

TEST_CASE("discard touches nothing but staged folders") {
  const TempFolder folder;
  publish(folder / "model", "one");
  checkpoint::discard(folder / "model");
  checkpoint::discard(folder / ".tmp-nothing");
  checkpoint::discard("");
  CHECK(folder.names() == Names{"model"});
}

TEST_CASE("what dead processes left is removed and told, what living ones work on is kept") {
  const TempFolder folder;
  const Staged alive = checkpoint::stage(folder / "model", false);
  const std::string dead = stage_and_die(folder / "model");
  const std::string of_another = stage_and_die(folder / "model-b");
  const std::string trash = ".trash" + dead.substr(4);
  fs::create_directory(folder / trash);
  spill(folder / (dead + "/part.safetensors"), "half");
  const Staged next = checkpoint::stage(folder / "model", false);
  CHECK(next.removed_stale == Names{dead, trash});
  CHECK(fs::exists(alive.path));
  CHECK(fs::exists(folder / of_another));
  CHECK_FALSE(fs::exists(folder / dead));
}

TEST_CASE("a stage of another machine is kept until it has rested for a day") {
  const TempFolder folder;
  const std::string name = ".tmp-model-1.1.0badcafe.12345678";
  fs::create_directory(folder / name);
  spill(folder / (name + "/f"), "");
  CHECK(checkpoint::stage(folder / "model", false).removed_stale.empty());
  for (const std::string& path : {folder / (name + "/f"), folder / name}) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(25));
  }
  CHECK(checkpoint::stage(folder / "model", false).removed_stale == Names{name});
}

TEST_CASE("names that only resemble a stage are nobody's to delete") {
  for (const char* entry :
       {".tmp-model", ".tmp-model-notes", ".tmp-model-1.2.3", ".tmp-model-b-1.2.0badcafe.12345678",
        "model-1.2.0.0", ".tmp-model-1.2.xyz.0", ".tmp-model-1.2.0.0.0", ".tmp-model-1.x.0.0",
        ".tmp-model-1.2.0.xyz", ".tmp-model-..0.0"}) {
    CAPTURE(entry);
    CHECK_FALSE(checkpoint::stage_token_of(entry, "model"));
  }
  const std::string token = checkpoint::new_stage_token();
  CHECK(checkpoint::stage_token_of(".tmp-model-" + token, "model") == token);
  CHECK(token != checkpoint::new_stage_token());
}

TEST_CASE("an output is apart from its inputs") {
  const TempFolder folder;
  fs::create_directories(folder / "models/a");
  fs::create_directory_symlink("models", folder / "link");
  const auto check = [&](const std::string& out) {
    checkpoint::check_output_apart(folder / out, {folder / "models/a"});
  };
  for (const char* out : {"models/a", "models/a/", "models/a/sub", "models", "link/a", "models/b/../a"}) {
    CAPTURE(out);
    const Error error = caught([&] { check(out); });
    CHECK(error.code() == "ERR_USAGE");
    CHECK(detail(error, "input") == folder / "models/a");
  }
  CHECK_NOTHROW(check("models/ab"));
  CHECK_NOTHROW(check("out"));
}

TEST_CASE("what was kept with a journal is taken over by who resumes, the newest of several") {
  const TempFolder folder;
  const auto kept = [&](const std::string& text, int hours_ago) {
    const std::string path = checkpoint::stage(folder / "model", false).path;
    spill(path + "/.journal", text);
    fs::last_write_time(path + "/.journal", fs::file_time_type::clock::now() - std::chrono::hours(hours_ago));
    REQUIRE(checkpoint::keep(path));
  };
  kept("older", 2);
  const Staged other = checkpoint::stage(folder / "model", false, true);
  CHECK(other.resumed);
  REQUIRE(checkpoint::keep(other.path));
  // A second one beside it: staging without resume would delete the first.
  fs::create_directory(folder / "aside");
  for (const auto& name : folder.names())
    if (name != "aside") fs::rename(folder / name, folder / ("aside/" + name));
  kept("newer", 1);
  for (const auto& entry : fs::directory_iterator(folder / "aside"))
    fs::rename(entry.path(), folder / entry.path().filename().string());
  fs::remove(folder / "aside");
  const Staged staged = checkpoint::stage(folder / "model", false, true);
  CHECK(staged.resumed);
  CHECK(slurp(staged.path + "/.journal") == "newer");
  CHECK(staged.removed_stale.size() == 1);
}

TEST_CASE("what is kept without a journal is discarded, and nothing to resume is no error") {
  const TempFolder folder;
  CHECK_FALSE(checkpoint::keep(checkpoint::stage(folder / "model", false).path));
  CHECK(folder.names().empty());
  CHECK_FALSE(checkpoint::stage(folder / "model", false, true).resumed);
}

TEST_CASE("an output without a name is refused, and so is a stage of another place") {
  CHECK(caught([] { checkpoint::stage("", false); }).code() == "ERR_USAGE");
  CHECK(caught([] { checkpoint::stage("/", false); }).code() == "ERR_USAGE");
  const TempFolder folder;
  SilentJob job;
  const Staged staged = staged_model(folder / "model", "one");
  CHECK(caught([&] { checkpoint::publish(staged.path, folder / "other", false, job); }).code() ==
        "ERR_INTERNAL");
  spill(folder / "file", "");
  CHECK(caught([&] { checkpoint::stage(folder / "file/model", false); }).code() == "ERR_NOT_FOUND");
}

TEST_CASE("what is resumed has a journal and the name of a stage; other leftovers are deleted") {
  const TempFolder folder;
  const std::string bare = stage_and_die(folder / "model"), trash = ".trash" + bare.substr(4);
  fs::create_directory(folder / trash);
  spill(folder / (trash + "/.journal"), "of the folder before");
  const Staged staged = checkpoint::stage(folder / "model", false, true);
  CHECK_FALSE(staged.resumed);
  CHECK(staged.removed_stale == Names{bare, trash});
}

TEST_CASE("a staged folder that is gone, a journal that stays and a link in a circle are told") {
  const TempFolder folder;
  SilentJob job;
  const auto told = [&](const std::string& staged) {
    return caught([&] { checkpoint::publish(staged, folder / "model", false, job); });
  };
  Staged staged = checkpoint::stage(folder / "model", false);
  fs::remove(staged.path);
  const Error gone = told(staged.path);
  CHECK(gone.code() == "ERR_NOT_FOUND");
  CHECK(gone.message().find("list") != std::string::npos);
  staged = staged_model(folder / "model", "one");
  fs::create_directories(staged.path + "/.journal/inside");
  const Error kept = told(staged.path);
  CHECK(kept.message().find("delete") != std::string::npos);
  CHECK(detail(kept, "file") == staged.path + "/.journal");
  CHECK_FALSE(fs::exists(folder / "model"));
  fs::create_symlink("circle", folder / "circle");
  const Error circle = caught([&] { checkpoint::stage(folder / "circle/model", false); });
  CHECK(circle.code() == "ERR_NOT_FOUND");
  CHECK(circle.message().find("resolve") != std::string::npos);
}
