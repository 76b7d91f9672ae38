// Publishing a folder so that it is never seen half-written: it is made under another name beside its place,
// brought to the disk, and renamed. After a crash at any instant the old folder, or nothing, or the whole new
// one is there.
#pragma once
#include <string>
#include <vector>

#include "core/job.h"

namespace tongueforge::checkpoint {

/// A file in a folder under construction that says how far the work has come: whoever can read it may go on.
inline constexpr const char* kJournalName = ".journal";

/// A folder under construction, beside the place where it will appear.
struct Staged {
  std::string path;                        // <parent>/.tmp-<name>-<token>
  std::vector<std::string> removed_stale;  // names of folders that dead processes had left, now deleted
  bool resumed = false;                    // an earlier run left it, with its journal
};

/// Makes the hidden folder to work in. Missing parents of `out` are created.
/// With overwrite, an existing `out` must be empty or look like a folder of ours (weights, provenance.json,
/// ...): a slip such as `--out ~ --overwrite` must not delete a home.
/// With resume, the newest folder with a journal that a dead process or keep() left for `out` is taken over.
/// @throws ERR_EXISTS, ERR_IO, ERR_NO_SPACE
Staged stage(const std::string& out, bool overwrite, bool resume = false);

/// Removes the journal, brings every file of `staged_path` to the disk and gives the folder its final name;
/// an old one is swapped and deleted. On error or cancellation `out` is as before and the staged folder
/// remains: repeat, or discard it. (One exception: when only the last sync of the parent folder fails, `out`
/// is already new and complete.)
/// @throws ERR_EXISTS where `out` has appeared meanwhile and overwrite is false, ERR_IO, ERR_NO_SPACE,
/// Cancelled
void publish(const std::string& staged_path, const std::string& out, bool overwrite, Job& job);

/// Leaves a staged folder to a later stage() with resume, also of this process; without a journal it is
/// discarded. @return whether it was left
bool keep(const std::string& staged_path) noexcept;

/// Deletes a staged folder, as far as that is possible; a path that is not a staged folder is left alone.
void discard(const std::string& staged_path) noexcept;

/// What stage() and a check of the inputs would refuse, before anything is read or made.
/// @throws ERR_EXISTS, ERR_USAGE
void check_output(const std::string& out, bool overwrite, const std::vector<std::string>& inputs);

/// An output may not be an input, lie in one, or contain one. @throws ERR_USAGE naming both
void check_output_apart(const std::string& out, const std::vector<std::string>& inputs);

}  // namespace tongueforge::checkpoint
