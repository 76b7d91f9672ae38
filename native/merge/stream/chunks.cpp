#include "merge/stream/chunks.h"

#include <algorithm>

namespace tongueforge::merge {

std::vector<Chunk> cut_into_chunks(const OutputModel& model, uint64_t chunk_bytes) {
  std::vector<Chunk> chunks;
  for (uint32_t file = 0; file < model.files.size(); ++file) {
    const auto& pieces = model.files[file].pieces;
    for (uint32_t piece = 0; piece < pieces.size(); ++piece) {
      const uint64_t size = pieces[piece].piece->num_bytes(), granule = pieces[piece].piece->granule();
      const uint64_t step = std::max(granule, chunk_bytes / granule * granule);
      for (uint64_t begin = 0; begin < size; begin += step)
        chunks.push_back({file, piece, begin, std::min(size, begin + step)});
    }
  }
  return chunks;
}

}  // namespace tongueforge::merge
