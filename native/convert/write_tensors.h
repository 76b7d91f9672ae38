// Tensors of files of torch, written as the safetensors of a model folder: streamed, a chunk in memory at a
// time.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convert/torch_source.h"

namespace tongueforge::convert {

/// One tensor of the result.
struct ConvertedTensor {
  std::string name;
  size_t file = 0;    // of the source
  size_t tensor = 0;  // its id there
  /// A tensor of the same file, dtype (F32) and shape that it is multiplied by, as torch's pruning keeps
  /// them.
  std::optional<size_t> mask;
};

struct ConvertStatistics {
  uint64_t num_files = 0, bytes_read = 0, bytes_written = 0;
};

/// Writes them into `folder`, in shards of at most max_shard_bytes.
/// @throws ERR_PICKLE with reason "checksum", ERR_DTYPE, ERR_SHAPE_MISMATCH for a mask, ERR_INPUT_CHANGED,
/// ERR_NO_SPACE, ERR_IO, Cancelled
ConvertStatistics write_tensors(TorchSource& source, const std::vector<ConvertedTensor>& tensors,
                                const std::string& folder, uint64_t max_shard_bytes, Job& job);

}  // namespace tongueforge::convert
