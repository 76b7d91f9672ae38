// A tensor in stretches of kDeltaChunk values, a few threads at a time.
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/job.h"
#include "core/parts.h"
#include "live/deltas.h"

namespace tongueforge::live {

/// Calls work(first, count) for every stretch of 0..size; a job is asked before each whether it was
/// cancelled.
template <class Work>
void for_each_stretch(int64_t size, int num_threads, const Job& job, const Work& work) {
  const int64_t stretches = (size + kDeltaChunk - 1) / kDeltaChunk;
  const auto parts = std::clamp<int64_t>(num_threads, 1, std::max<int64_t>(stretches, 1));
  for_each_part(static_cast<size_t>(parts), static_cast<size_t>(stretches),
                [&](size_t, size_t begin, size_t end) {
                  for (size_t i = begin; i < end; i++) {
                    job.check();
                    const int64_t first = static_cast<int64_t>(i) * kDeltaChunk;
                    work(first, std::min(kDeltaChunk, size - first));
                  }
                });
}

}  // namespace tongueforge::live
