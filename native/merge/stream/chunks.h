// An output cut into the pieces of work of the engine.
#pragma once
#include <cstdint>
#include <vector>

#include "merge/stream/stream.h"

namespace tongueforge::merge {

/// Bytes [begin, end) of one piece.
struct Chunk {
  uint32_t file = 0, piece = 0;
  uint64_t begin = 0, end = 0;

  uint64_t size() const { return end - begin; }
};

/// In the order of files and data. The same model and size give the same chunks.
std::vector<Chunk> cut_into_chunks(const OutputModel& model, uint64_t chunk_bytes);

}  // namespace tongueforge::merge
