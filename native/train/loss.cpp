#include "train/loss.h"

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::train {

std::unique_ptr<Loss> make_loss(const LossOptions& options, const models::Model& model) {
  if (options.kind == "language") return make_language_loss(options, model);
  if (options.kind == "preference") return make_preference_loss(options, model);
  if (options.kind == "masked") return make_masked_loss(options, model);
  if (options.kind == "distillation") return make_distillation_loss(options, model);
  throw Error(
      "ERR_USAGE",
      str("Expected a loss of kind language, masked, preference or distillation, received ", options.kind));
}

Evaluation evaluate(const Loss& loss, const Batch& batch, const Job* job) {
  const at::NoGradGuard no_grad;
  const int64_t count = loss.count(batch);
  if (count == 0) return {};
  const auto sum = loss.sum(batch, job);
  return {sum.told().item<double>(), count, sum.figures};
}

}  // namespace tongueforge::train
