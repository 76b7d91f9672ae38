#include "train/optimizer.h"

#include "core/error.h"

namespace tongueforge::train {

std::unique_ptr<Optimizer> make_optimizer(const std::vector<TrainedTensor>& tensors,
                                          const OptimizerOptions& options) {
  if (options.kind == "adamw") return make_adamw(tensors, options);
  if (options.kind == "adafactor") return make_adafactor(tensors, options);
  throw Error("ERR_USAGE", str("Expected an optimizer of kind adamw or adafactor, received ", options.kind));
}

}  // namespace tongueforge::train
