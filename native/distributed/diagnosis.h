// Who is to blame when processes cannot go on together.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "core/error.h"
#include "core/job.h"
#include "distributed/board.h"

namespace tongueforge::distributed {

/// A process whose heart was not seen for so long is gone, or hangs.
constexpr std::chrono::milliseconds kSilence{3000};

struct Symptom {
  int rank = 0;            // of this process
  int store_rank = 0;      // who serves the store; -1: an agent
  int64_t collective = 0;  // number of the one that failed; 0: none
  std::chrono::milliseconds timeout{};
  std::string cause;  // in the engine's words
};

/// Watches the others until it is plain which of them has ended, is silent, or is behind: ERR_DISTRIBUTED
/// that names them. Takes as long as a heart has to be silent, and no longer; where the job is cancelled too
/// that is what is told (Cancelled), for others may have been cancelled with it and gone before.
Error diagnosis(const Board& board, const Symptom& symptom, const Job& job);

/// Waits until all others have ended or have been silent, at most so long.
void await_ends(const Board& board, int rank, std::chrono::milliseconds at_most);

}  // namespace tongueforge::distributed
