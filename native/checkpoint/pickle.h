// Reads the pickles that torch writes, protocols 2 to 5, without running anything: a machine of its own that
// makes plain containers, and looks up every global on a list (pickle_globals.h). Format: Python's
// pickletools.
//
// A file decides neither how deep we recurse (we do not), nor how much memory is taken: operations, objects,
// depth and what shared parts expand to are bounded. Also refused: a dict with a key twice, keys that are no
// plain values, texts that are not UTF-8, protocols 0 and 1, extensions, out-of-band buffers, and bytes
// behind the end.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/pickle_tree.h"

namespace tongueforge::checkpoint {

inline constexpr uint64_t kMaxPickleBytes = 16 << 20;
inline constexpr size_t kMaxPickleOperations = 2'000'000;
/// Containers within containers, and values in all of them, a shared part counted wherever it stands.
inline constexpr size_t kMaxPickleDepth = 100, kMaxPickleValues = 2'000'000;

/// @param file named in errors
/// @param offset where the pickle begins in the file
/// @throws ERR_PICKLE {file, offset, reason, global?}
PickleTree read_pickle(std::vector<char> bytes, const std::string& file, uint64_t offset);

}  // namespace tongueforge::checkpoint
