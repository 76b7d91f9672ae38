// model.safetensors.index.json: which file of the folder holds which tensor.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tongueforge::checkpoint {

inline constexpr uint64_t kMaxIndexBytes = 100'000'000;
inline constexpr size_t kMaxShards = 10'000;

/// One row of the weight_map.
struct ShardIndexEntry {
  std::string tensor;
  uint32_t file = 0;    // index into ShardIndex::files
  uint64_t offset = 0;  // where the row stands in the index, for messages
};

struct ShardIndex {
  std::vector<std::string> files;        // sorted, each a bare file name of the folder
  std::vector<ShardIndexEntry> entries;  // sorted by tensor
  std::optional<uint64_t> total_size;
  uint64_t total_size_offset = 0;

  /// The row of a tensor, or nullptr.
  const ShardIndexEntry* find(std::string_view tensor) const;
};

/// Checks what the text alone can tell: strict JSON, bare file names that cannot leave the folder, each
/// tensor once,
/// `-00001-of-00003` names complete and of one count.
/// @param path named in errors
/// @param extension that every file must have
/// @throws ERR_SHARD_INDEX {file, offset, reason, tensor?}
ShardIndex parse_shard_index(std::string_view text, const std::string& path,
                             std::string_view extension = ".safetensors");

/// Throws ERR_SHARD_INDEX for a row of the index at `path`.
[[noreturn]] void refuse_index(const std::string& path, uint64_t offset, const char* reason,
                               const std::string& message, std::string_view tensor = {});

}  // namespace tongueforge::checkpoint
