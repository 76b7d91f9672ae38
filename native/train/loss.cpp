#include "train/loss.h"

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/few_rows.h"
#include "train/fixed_loss.h"

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

LossSum told_apart(const kernels::CrossEntropyParts& parts, double z_loss) {
  if (z_loss == 0) return {parts.total, {}};
  const auto added = parts.total.detach().to(at::kDouble) - parts.nll.to(at::kDouble);
  return {parts.total, {{"z_loss", added}}, parts.nll};
}

std::unique_ptr<FixedLoss> Loss::fixed(int64_t, int64_t) const { return nullptr; }

NotedLoss::NotedLoss(const LossSum& told, Readings& readings) : loss(readings.note(told.told())) {
  for (const auto& [name, value] : told.figures) figures[name] = readings.note(value);
}

void NotedLoss::add_to(Evaluation& total, const std::vector<double>& read) const {
  total.sum += read.at(loss);
  for (const auto& [name, place] : figures) total.figures[name] += read.at(place);
}

Evaluation evaluate(const Loss& loss, const Batch& batch, const Job* job) {
  const at::NoGradGuard no_grad;
  const kernels::AsRecordedScope as_in_training;
  const int64_t count = loss.count(batch);
  if (count == 0) return {};
  Readings readings;
  const NotedLoss noted(loss.sum(batch, job), readings);
  Evaluation total;
  noted.add_to(total, readings.read());
  total.count = count;
  return total;
}

}  // namespace tongueforge::train
