// Which chunks of an output are done, in a file beside it: so that a merge that was stopped goes on.
//
// A chunk is noted as soon as it was handed to the kernel, and from time to time a mark says that everything
// before it is on the disk. A process that was killed has lost nothing of what it noted; a machine that
// stopped has lost what came after the last mark. So notes behind the last mark count only where the machine
// has not been started anew since: each carries the boot that it was made in.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/posix_file.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

/// A chunk that is done, and what was counted in it.
struct FinishedChunk {
  uint32_t chunk = 0;
  PieceSums sums;
};

/// Equal for two runs exactly where this machine was not started anew between them; 0: unknown, equal to
/// none.
uint64_t this_boot();

class Journal {
 public:
  /// A new journal for the work that `identity` describes: inputs, settings, versions.
  static Journal create(const std::string& path, const std::string& identity, uint64_t boot = this_boot());

  /// The journal that an earlier run left, if it was about the same work; what is torn at its end is cut off.
  static std::optional<Journal> reopen(const std::string& path, const std::string& identity,
                                       uint64_t boot = this_boot());

  /// What may be believed of the earlier run.
  const std::vector<FinishedChunk>& finished() const { return finished_; }

  void add(const FinishedChunk& finished);
  /// Notes of chunks so far, those of the earlier run included.
  uint64_t num_notes() const { return num_notes_; }
  /// The chunks of the first `num_notes` notes are on the disk.
  void mark_synced(uint64_t num_notes);
  /// Brings the journal itself to the disk.
  void sync() { file_.sync(); }

 private:
  Journal(checkpoint::PosixFile file, uint64_t end, uint64_t boot)
      : file_(std::move(file)), end_(end), boot_(boot) {}
  void append(uint32_t chunk, uint64_t covered, const PieceSums& sums);
  void read_notes(const std::string& bytes);

  checkpoint::PosixFile file_;
  uint64_t end_, boot_;
  uint64_t num_notes_ = 0;
  std::vector<FinishedChunk> finished_;
};

}  // namespace tongueforge::merge
