// The next token's negative log-likelihood: continual pre-training, InsCP and SFT differ by their labels
// only.
#include "kernels/aten.h"
#include "kernels/linear_cross_entropy.h"
#include "models/decoder.h"
#include "train/loss.h"

namespace tongueforge::train {
namespace {

class LanguageLoss final : public Loss {
 public:
  LanguageLoss(const models::Decoder& model, double z_loss) : model_(model), z_loss_(z_loss) {}

  int64_t count(const Batch& batch) const override { return Targets(batch).count(); }

  // Logits only where there is a target: padding and prompts cost no head.
  LossSum sum(const Batch& batch, const Job* job) const override {
    const Targets targets(batch);
    const auto hidden_BTD = model_.hidden_packed(batch.ids_BT, batch.segments_BT, job);
    const auto hidden_MD = hidden_BTD.flatten(0, 1).index_select(0, targets.places_M);
    const auto [total, nll] = kernels::linear_cross_entropy_parts(
        hidden_MD, model_.head(), targets.tokens_M, {.z_loss = z_loss_, .chunks = {.job = job}});
    if (z_loss_ == 0) return {total, {}};
    return {total, {{"z_loss", total.item<double>() - nll.item<double>()}}, nll};
  }

 private:
  const models::Decoder& model_;
  double z_loss_;
};

}  // namespace

std::unique_ptr<Loss> make_language_loss(const LossOptions& options, const models::Model& model) {
  return std::make_unique<LanguageLoss>(models::as_decoder(model), options.z_loss);
}

}  // namespace tongueforge::train
