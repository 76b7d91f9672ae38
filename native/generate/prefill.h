// The prompts of a batch, before its first new token.
#pragma once
#include <cstdint>
#include <vector>

#include "core/job.h"
#include "models/decoder.h"

namespace tongueforge::generate {

struct Prefilled {
  models::DecoderCache cache;
  at::Tensor logits_BV;  // float32, behind the last token of each prompt, on the device of the model
};

/// Prompts of one length, with room for so many more tokens, if they are not very many.
Prefilled prefill(const models::Decoder& model, const std::vector<std::vector<int32_t>>& prompts,
                  int64_t most_new, const Job& job);

}  // namespace tongueforge::generate
