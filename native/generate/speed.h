// How long a model takes: from a prompt to the first new token, for each token after it, and for a pass over
// a row.
#pragma once
#include <cstdint>
#include <vector>

#include "core/job.h"
#include "models/decoder.h"

namespace tongueforge::generate {

struct SpeedOptions {
  int64_t tokens = 128;     // of the row, or of the prompt; of sound: frames, or samples
  int64_t new_tokens = 32;  // that are decoded after the first
  int64_t warm_up = 5;      // runs that are not told
  int64_t runs = 30;
  double seconds = 20;  // spent, fewer runs are made: but never fewer than 5, with one warm-up
};

/// Seconds, by run.
struct Speed {
  int64_t warm_up = 0;
  std::vector<double> pass;         // over the row, to its hidden states
  std::vector<double> first_token;  // from the ids of a prompt to the first new token; decoders
  std::vector<double>
      token;  // each token after it, the mean over a run; decoders. On a GPU of recorded steps
};

/// Batch 1, random ids or noise, greedy. Decoders answer; others make a pass. Progress: {done, total} runs.
Speed measure_speed(const models::Model& model, const SpeedOptions& options, Job& job);

}  // namespace tongueforge::generate
