// The engine of everything that makes a model out of models, from files to files: pieces are produced chunk
// by chunk on a few threads and written to their final places. Memory is a few chunks a thread, whatever the
// models' size. A run that was stopped goes on from its journal, to the same bytes.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/job.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

/// A piece and where its first byte stands in the file.
struct PlacedPiece {
  std::string name;  // of the tensor
  uint64_t at = 0;
  std::unique_ptr<Piece> piece;
};

struct StreamFile {
  std::string name;    // in the output folder
  std::string header;  // the bytes before the data
  uint64_t size = 0;
  std::vector<PlacedPiece> pieces;  // in the order of their data
};

/// Weight files to be written, and the index of a sharded model.
struct OutputModel {
  std::vector<StreamFile> files;
  std::string index_json;  // empty: one file, no index

  uint64_t bytes_to_write() const;
};

struct StreamOptions {
  /// Everything that decides the bytes: inputs with their sizes and times, settings, versions. A journal of
  /// another identity is not followed.
  std::string identity;
  /// For progress alone.
  uint64_t bytes_to_read = 0;
  size_t num_threads = 0;  // 0: one more than the machine has, 3 to 9
  uint64_t chunk_bytes = uint64_t{2} << 20;
};

struct StreamReport {
  std::vector<std::vector<PieceSums>> sums;  // [file][piece]
  uint64_t bytes_read = 0, bytes_written = 0;
  uint64_t bytes_resumed = 0;  // of bytes_written: what an earlier run had written

  /// Calls tell(placed piece, its sums) for all of them, in the order of files and data.
  template <class Tell>
  void for_each_piece(const OutputModel& model, const Tell& tell) const {
    for (size_t file = 0; file < sums.size(); ++file)
      for (size_t piece = 0; piece < sums[file].size(); ++piece)
        tell(model.files[file].pieces[piece], sums[file][piece]);
  }
};

/// The most memory that streaming takes: the largest piece, or as many at once as the gate lets in, and what
/// each other thread keeps meanwhile. What pieces hold from prepare() on is not counted.
uint64_t peak_memory_bytes(const OutputModel& model, const StreamOptions& options);

/// Writes the files into an existing folder and brings them to the disk. Where the folder holds the journal
/// of the same work (checkpoint/publish.h), what is done is kept; files of these names are replaced else.
/// Where it holds any journal, all other files in it go: see leftovers.h. Progress: {done_bytes, total_bytes}
/// counts reads and writes.
/// @throws ERR_IO, ERR_NO_SPACE, Cancelled; the journal stays for the next run
StreamReport stream(const OutputModel& model, const std::string& folder, const StreamOptions& options,
                    Job& job);

/// A chunk of a file that is not what the pieces produce.
struct Mismatch {
  std::string file, tensor;
  uint64_t offset = 0;  // of the first byte that differs, in the file
};

struct StreamCheck {
  uint64_t num_chunks = 0, chunks_checked = 0, bytes_checked = 0;
  std::vector<Mismatch> mismatches;
};

/// {chunks, chunks_checked, bytes_checked, mismatches: {file, tensor, offset}[]}
Value to_value(const StreamCheck& check);

/// Compares the headers, the index, and `max_chunks` chunks drawn with `seed` (all, where there are fewer) of
/// the files in a folder with what is produced anew. Progress: {done_bytes, total_bytes}.
StreamCheck check_stream(const OutputModel& model, const std::string& folder, uint64_t max_chunks,
                         uint64_t seed, const StreamOptions& options, Job& job);

}  // namespace tongueforge::merge
