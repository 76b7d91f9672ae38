// The next token's negative log-likelihood: continual pre-training, InsCP and SFT differ by their labels
// only.
#include "kernels/aten.h"
#include "kernels/linear_cross_entropy.h"
#include "train/loss.h"

namespace tongueforge::train {
namespace {

class LanguageLoss final : public Loss {
 public:
  int64_t count(const Batch& batch) const override { return Targets(batch).count(); }

  // Logits only where there is a target: padding and prompts cost no head.
  LossSum sum(const models::Decoder& model, const Batch& batch, const Job* job) const override {
    const Targets targets(batch);
    const auto hidden_BTD = model.hidden_packed(batch.ids_BT, batch.segments_BT, job);
    const auto hidden_MD = hidden_BTD.flatten(0, 1).index_select(0, targets.places_M);
    return {
        kernels::linear_cross_entropy(hidden_MD, model.head(), targets.tokens_M, {.chunks = {.job = job}}),
        {}};
  }
};

}  // namespace

std::unique_ptr<Loss> make_language_loss(const LossOptions&) { return std::make_unique<LanguageLoss>(); }

}  // namespace tongueforge::train
