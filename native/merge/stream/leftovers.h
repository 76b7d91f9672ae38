// What an earlier run left in a folder that this one takes over.
#pragma once
#include <algorithm>
#include <filesystem>
#include <string>

#include "checkpoint/publish.h"
#include "merge/stream/stream.h"

namespace tongueforge::merge {

/// Where the folder has a journal, all that is neither this nor a file of the model goes: shards of another
/// layout, descriptions of other settings. They would be published as part of the result.
inline void remove_leftovers(const OutputModel& model, const std::string& folder) {
  namespace fs = std::filesystem;
  if (!fs::exists(fs::path(folder) / checkpoint::kJournalName)) return;
  const auto belongs = [&](const std::string& name) {
    return name == checkpoint::kJournalName ||
           std::any_of(model.files.begin(), model.files.end(),
                       [&](const StreamFile& file) { return file.name == name; });
  };
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(folder))
    if (!belongs(entry.path().filename().string())) leftovers.push_back(entry.path());
  for (const fs::path& path : leftovers) fs::remove_all(path);
}

}  // namespace tongueforge::merge
