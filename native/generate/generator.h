// Continues prompts token by token with a key/value cache.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/job.h"
#include "generate/sampler.h"
#include "models/decoder.h"

namespace tongueforge::generate {

struct GenerateOptions {
  int64_t max_new_tokens = 256;
  std::vector<int32_t> stop_ids = {};  // any of them ends a sequence; it is not part of the result
  SamplingOptions sampling = {};       // row i draws from seed + i
  bool stream = false;                 // emit {row, id} for each new token
};

struct Generated {
  std::vector<int32_t> ids;  // the new ones only
  bool stopped = false;      // by a stop id; otherwise max_new_tokens, or the positions of the model
};

/// One result a prompt, in their order. Prompts of equal length run as one batch.
/// Throws ERR_DATA for an empty prompt or an id outside the vocabulary, ERR_CONTEXT for a prompt that fills
/// the positions of the model.
std::vector<Generated> generate(const models::Decoder& model,
                                const std::vector<std::vector<int32_t>>& prompts,
                                const GenerateOptions& options, Job& job);

}  // namespace tongueforge::generate
