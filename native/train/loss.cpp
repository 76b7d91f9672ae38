#include "train/loss.h"

#include "core/error.h"

namespace tongueforge::train {

std::unique_ptr<Loss> make_loss(const LossOptions& options) {
  if (options.kind == "language") return make_language_loss(options);
  if (options.kind == "preference") return make_preference_loss(options);
  throw Error("ERR_USAGE", str("Expected a loss of kind language or preference, received ", options.kind));
}

}  // namespace tongueforge::train
