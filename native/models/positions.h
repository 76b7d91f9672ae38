// How long a sequence may get: one rule for whoever writes on, alone or for many.
#pragma once
#include <cstdint>
#include <string>

#include "models/decoder_spec.h"

namespace tongueforge::models {

/// Positions that a sequence may have: those of the config, or the trained ones times the factor of a rope
/// that stretches them (linear, dynamic, yarn: so the documentation of transformers has it). 0: nothing says.
int64_t most_positions(const DecoderSpec& spec);

/// Where a prompt and its answer have to fit.
struct Context {
  int64_t positions = 0;    // 0: no bound
  std::string where = {};   // behind the number of tokens that came: " in row 2"
  std::string remedy = {};  // behind "shorten the prompt"
};

/// New tokens that fit behind a prompt, at most `wanted`. Throws ERR_CONTEXT for a prompt that leaves no
/// place for one, ERR_DATA for an empty one.
int64_t room_behind(int64_t prompt, int64_t wanted, const Context& context);

}  // namespace tongueforge::models
