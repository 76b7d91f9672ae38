// Greedy generation without waiting for the device between two tokens: the next step is under way while the
// host reads the token before it.
#pragma once
#include <cstdint>
#include <vector>

#include "generate/sequences.h"
#include "models/decoder.h"

namespace tongueforge::generate {

/// Whether the options ask for nothing but the most probable token, and TokenStep takes the model.
bool can_run_greedily(const models::Decoder& model, const GenerateOptions& options);

/// Continues the sequences to their end, by `most_new` tokens at most. Throws ERR_NON_FINITE as Sampler does.
void run_greedily(const models::Decoder& model, Sequences& sequences, int64_t most_new, Job& job);

}  // namespace tongueforge::generate
