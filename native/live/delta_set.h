// Deltas in memory: read once, put on a model again and again.
#pragma once
#include <memory>

#include "core/job.h"
#include "live/deltas.h"

namespace tongueforge::live {

/// Reads all of them on `num_threads` threads: 4 bytes a value. Progress: {done_bytes, total_bytes} of those.
/// @throws what reading throws, ERR_INPUT_CHANGED, Cancelled
std::shared_ptr<Deltas> load_deltas(const Deltas& source, int num_threads, Job& job);

}  // namespace tongueforge::live
