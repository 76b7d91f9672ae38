#include "checkpoint/publish.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "checkpoint/posix_file.h"
#include "checkpoint/stage_name.h"

namespace fs = std::filesystem;

namespace tongueforge::checkpoint {
namespace {

/// Where `out` really is: links resolved, no trailing slash, a parent even for "model".
fs::path place_of(const std::string& out) {
  if (out.empty())
    throw Error("ERR_USAGE", "Expected a folder to create, received an empty path",
                "Give the path of a new folder.", {{"file", out}});
  std::error_code error;
  fs::path place = fs::weakly_canonical(fs::absolute(out), error);
  if (error) throw io_error(error.value(), "resolve", out);
  if (!place.has_filename()) place = place.parent_path();
  if (place.filename().empty()) {
    throw Error("ERR_USAGE", str("Expected a folder to create, received ", out),
                "Give the path of a new folder.", {{"file", out}});
  }
  return place;
}

bool is_ours_to_replace(const fs::path& folder) {
  std::error_code ignored;
  if (fs::is_empty(folder, ignored)) return true;
  // Not config.json or report.json: many a project has one that is no model.
  for (const char* name :
       {"provenance.json", "resolved.yaml", "model.safetensors", "model.safetensors.index.json"}) {
    if (fs::exists(folder / name, ignored)) return true;
  }
  return false;
}

void check_place(const fs::path& place, bool overwrite) {
  std::error_code ignored;
  const fs::file_status status = fs::symlink_status(place, ignored);
  if (status.type() == fs::file_type::not_found) return;
  const ErrorDetails details = {{"file", place.string()}};
  if (!fs::is_directory(status)) {
    throw Error("ERR_EXISTS", str("Expected room for a folder, there is a file: ", place.string()),
                "Choose another place.", details);
  }
  if (!overwrite) {
    throw Error("ERR_EXISTS", str("Expected no folder at ", place.string(), " yet, there is one"),
                "Choose another place, or add --overwrite to replace it.", details);
  }
  if (!is_ours_to_replace(place)) {
    throw Error("ERR_EXISTS",
                str("Expected a model or run folder to overwrite, received a folder of other things: ",
                    place.string()),
                "Choose another place, or delete that folder yourself.", details);
  }
}

std::vector<fs::path> stale_folders(const fs::path& place) {
  std::vector<fs::path> stale;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(place.parent_path(), error)) {
    const std::string name = entry.path().filename().string();
    const auto token = stage_token_of(name, place.filename().string());
    if (token && is_abandoned(entry.path().string(), *token)) stale.push_back(entry.path());
  }
  std::sort(stale.begin(), stale.end());
  return stale;
}

std::vector<std::string> remove_stale(const fs::path& place) {
  std::vector<std::string> removed;
  for (const fs::path& folder : stale_folders(place)) {
    std::error_code failed;
    fs::remove_all(folder, failed);
    if (!failed) removed.push_back(folder.filename().string());
  }
  return removed;
}

fs::path new_stage(const fs::path& place) {
  return place.parent_path() / (kStagePrefix + place.filename().string() + '-' + new_stage_token());
}

/// Takes over the newest folder with a journal, under a name of ours. Whoever renames it first has it.
std::optional<std::string> take_over(const fs::path& place) {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  for (const fs::path& folder : stale_folders(place)) {
    std::error_code error;
    const auto time = fs::last_write_time(folder / kJournalName, error);
    if (!error && folder.filename().string().starts_with(kStagePrefix)) found.emplace_back(time, folder);
  }
  std::sort(found.rbegin(), found.rend());
  for (const auto& [time, folder] : found) {
    const fs::path ours = new_stage(place);
    if (::rename(folder.c_str(), ours.c_str()) == 0) return ours.string();
  }
  return std::nullopt;
}

/// fsync of a file or folder. Some file systems know no fsync of folders: they say EINVAL.
void sync_path(const fs::path& path, bool is_folder) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (is_folder ? O_DIRECTORY : 0));
  if (fd < 0) throw io_error(errno, "open", path.string());
  int error_number = 0;
  while (::fsync(fd) != 0) {
    error_number = errno;
    if (error_number != EINTR) break;
    error_number = 0;
  }
  ::close(fd);
  if (error_number != 0 && !(is_folder && error_number == EINVAL)) {
    throw io_error(error_number, "bring to disk", path.string());
  }
}

/// Files first, then the folders that name them, innermost first.
void sync_tree(const fs::path& root, Job& job) {
  std::vector<fs::path> files, folders = {root};
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(root, error); !error && it != fs::end(it);
       it.increment(error)) {
    const fs::file_type type = it->symlink_status(error).type();
    if (type == fs::file_type::regular) files.push_back(it->path());
    if (type == fs::file_type::directory) folders.push_back(it->path());
  }
  if (error) throw io_error(error.value(), "list", root.string());
  uint64_t done = 0;
  for (const fs::path& file : files) {
    job.check();
    sync_path(file, false);
    job.progress(Value::Map{{"synced_files", ++done}, {"total_files", static_cast<uint64_t>(files.size())}});
  }
  for (auto it = folders.rbegin(); it != folders.rend(); ++it) sync_path(*it, true);
  job.check();
}

bool rename_unsupported(int error_number) { return error_number == EINVAL || error_number == ENOSYS; }

Error taken(const fs::path& place, const std::string& staged) {
  return Error("ERR_EXISTS", str("Expected no folder at ", place.string(), ", one has appeared meanwhile"),
               "Choose another place, or add --overwrite to replace it.",
               {{"file", place.string()}, {"staged", staged}});
}

void rename_new(const std::string& staged, const fs::path& place) {
  if (::renameat2(AT_FDCWD, staged.c_str(), AT_FDCWD, place.c_str(), RENAME_NOREPLACE) == 0) return;
  if (errno == EEXIST || errno == ENOTEMPTY) throw taken(place, staged);
  if (!rename_unsupported(errno)) throw io_error(errno, "publish", place.string());
  // Plain rename would silently replace an empty folder that appears between these two lines: no harm is done
  // by that.
  std::error_code ignored;
  if (fs::symlink_status(place, ignored).type() != fs::file_type::not_found) throw taken(place, staged);
  if (::rename(staged.c_str(), place.c_str()) != 0) throw io_error(errno, "publish", place.string());
}

/// Afterwards the old folder has the trash name (or, at worst, the staged one).
void swap_in(const std::string& staged, const fs::path& place, const fs::path& trash) {
  if (::renameat2(AT_FDCWD, staged.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) == 0) {
    (void)::rename(staged.c_str(),
                   trash.c_str());  // published already: a refusal here only leaves a stale folder
    return;
  }
  if (!rename_unsupported(errno)) throw io_error(errno, "publish", place.string());
  // Without exchange there is an instant with no folder at all; what was there is put back if the second step
  // fails.
  if (::rename(place.c_str(), trash.c_str()) != 0) throw io_error(errno, "set aside", place.string());
  if (::rename(staged.c_str(), place.c_str()) != 0) {
    const int error_number = errno;
    if (::rename(trash.c_str(), place.c_str()) != 0) {
      throw Error(
          "ERR_IO", str("Could not publish ", place.string(), " nor put the old folder back"),
          str("The old folder is ", trash.string(), ", the new one ", staged, ": rename the one you want."),
          {{"file", place.string()}});
    }
    throw io_error(error_number, "publish", place.string());
  }
}

fs::path trash_of(const fs::path& place, const std::string& staged) {
  const auto token = stage_token_of(fs::path(staged).filename().string(), place.filename().string());
  if (!token) {
    throw Error("ERR_INTERNAL", str("Expected a folder staged for ", place.string(), ", received ", staged));
  }
  return place.parent_path() / (kTrashPrefix + place.filename().string() + '-' + *token);
}

/// Gives a folder that nobody needs the name of one whose owner is gone, so that the next stage() deletes it,
/// be it of this process; where even that fails, the first one after this process has ended.
void leave(const fs::path& folder) {
  std::error_code failed;
  const std::string name = folder.filename().string();
  fs::rename(folder, folder.parent_path() / (name.substr(0, name.rfind('-') + 1) + left_token()), failed);
}

void remove_or_leave(const fs::path& folder) {
  std::error_code failed;
  fs::remove_all(folder, failed);
  if (failed) leave(folder);
}

/// True if `inner` is `outer` or lies in it; both canonical.
bool lies_in(const fs::path& inner, const fs::path& outer) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

}  // namespace

Staged stage(const std::string& out, bool overwrite, bool resume) {
  const fs::path place = place_of(out);
  check_place(place, overwrite);
  std::error_code error;
  fs::create_directories(place.parent_path(), error);
  if (error) throw io_error(error.value(), "create folder", place.parent_path().string());
  Staged staged;
  if (auto taken_over = resume ? take_over(place) : std::nullopt) {
    staged.path = *taken_over;
    staged.resumed = true;
  }
  staged.removed_stale = remove_stale(place);
  if (staged.resumed) return staged;
  staged.path = new_stage(place).string();
  if (::mkdir(staged.path.c_str(), 0777) != 0) throw io_error(errno, "create folder", staged.path);
  return staged;
}

void check_output(const std::string& out, bool overwrite, const std::vector<std::string>& inputs) {
  check_output_apart(out, inputs);
  check_place(place_of(out), overwrite);
}

void publish(const std::string& staged_path, const std::string& out, bool overwrite, Job& job) {
  const fs::path place = place_of(out);
  const fs::path trash = trash_of(place, staged_path);
  check_place(place, overwrite);
  std::error_code failed, ignored;
  sync_tree(staged_path, job);
  // Once nothing can be cancelled any more: what has a journal can be gone on with.
  if (fs::remove(fs::path(staged_path) / kJournalName, failed)) sync_path(staged_path, true);
  if (failed) throw io_error(failed.value(), "delete", (fs::path(staged_path) / kJournalName).string());
  const bool replaces = fs::symlink_status(place, ignored).type() != fs::file_type::not_found;
  if (replaces && overwrite) {
    swap_in(staged_path, place, trash);
  } else {
    rename_new(staged_path, place);
  }
  const std::array<fs::path, 2> old = {trash, staged_path};  // the second where it could not be renamed
  try {
    sync_path(place.parent_path(), true);
  } catch (...) {
    for (const fs::path& folder : old) leave(folder);
    throw;
  }
  for (const fs::path& folder : old) remove_or_leave(folder);
}

bool keep(const std::string& staged_path) noexcept {
  try {
    std::error_code error;
    const fs::path path(staged_path);
    if (!fs::exists(path / kJournalName, error)) {
      discard(staged_path);
      return false;
    }
    const std::string name = path.filename().string();
    fs::rename(path, path.parent_path() / (name.substr(0, name.rfind('-') + 1) + left_token()), error);
    return !error;
  } catch (...) { return false; }  // it stays under its name, and is stale once this process has ended
}

void discard(const std::string& staged_path) noexcept {
  try {
    if (!fs::path(staged_path).filename().string().starts_with(kStagePrefix)) return;
    remove_or_leave(staged_path);
  } catch (...) {
    // Out of memory while giving up: the folder stays, and the next stage() removes it.
  }
}

void check_output_apart(const std::string& out, const std::vector<std::string>& inputs) {
  const fs::path place = place_of(out);
  for (const std::string& input : inputs) {
    const fs::path source = place_of(input);
    if (!lies_in(place, source) && !lies_in(source, place)) continue;
    throw Error("ERR_USAGE",
                str("Expected the output apart from the inputs, received output ", out, " and input ", input),
                "Write to a folder that is neither an input, nor in one, nor around one.",
                {{"out", out}, {"input", input}});
  }
}

}  // namespace tongueforge::checkpoint
