// The next token of a sequence, with the log-probabilities that were asked for.
#pragma once
#include <span>

#include "serve/sequence.h"

namespace tongueforge::serve {

/// Chooses by the sequence's own sampler, without adding to it. logits (V) are changed in place. Throws
/// ERR_NON_FINITE.
Token choose_token(Sequence& sequence, std::span<float> logits);

}  // namespace tongueforge::serve
