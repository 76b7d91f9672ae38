#include "models/positions.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace tongueforge::models {

int64_t most_positions(const DecoderSpec& spec) {
  const auto& rope = spec.rope;
  const bool stretches = rope.kind == nn::RopeKind::linear || rope.kind == nn::RopeKind::dynamic ||
                         rope.kind == nn::RopeKind::yarn;
  if (!stretches) return spec.max_positions;
  const double stretched = std::floor(rope.factor * static_cast<double>(rope.original_max_positions));
  return std::max(spec.max_positions, static_cast<int64_t>(stretched));
}

int64_t room_behind(int64_t prompt, int64_t wanted, const Context& context) {
  const auto& [positions, where, remedy] = context;
  if (prompt == 0)
    throw Error("ERR_DATA", str("Expected a prompt of at least one token, received none", where));
  if (positions <= 0) return wanted;
  if (prompt < positions) return std::min(wanted, positions - prompt);
  throw Error("ERR_CONTEXT",
              str("Expected a prompt of 1 to ", positions - 1, " tokens, received ", prompt, where),
              str("The context has ", positions, " positions: shorten the prompt", remedy, "."));
}

}  // namespace tongueforge::models
