#include "probe/objective.h"

#include "core/error.h"

namespace tongueforge::probe {

std::unique_ptr<Objective> make_objective(const std::string& kind) {
  if (kind == "class") return make_class_objective();
  if (kind == "sequence") return make_sequence_objective();
  throw Error("ERR_INTERNAL", str("no probe foretells ", kind));
}

}  // namespace tongueforge::probe
