#include "train/optimizer.h"

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::train {

std::vector<models::ComingTensor> Optimizer::whole_state(Job&) const {
  std::vector<models::ComingTensor> whole;
  for (const auto& tensor : state()) whole.push_back(models::ComingTensor::of(tensor));
  return whole;
}

void Optimizer::load(const FindTensor& find) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state()) tensor.copy_(find(name, tensor.sizes(), tensor.scalar_type()));
}

std::unique_ptr<Optimizer> make_optimizer(const std::vector<TrainedTensor>& tensors,
                                          const OptimizerOptions& options) {
  if (options.kind == "adamw") return make_adamw(tensors, options);
  if (options.kind == "adafactor") return make_adafactor(tensors, options);
  throw Error("ERR_USAGE", str("Expected an optimizer of kind adamw or adafactor, received ", options.kind));
}

}  // namespace tongueforge::train
