// Masked language modelling: the likelihood of tokens that have been hidden, each at its own place. Which are
// hidden, and by what, is the facade's choice: labels hold the tokens, ids what stands in their places.
#include "kernels/aten.h"
#include "kernels/linear_cross_entropy.h"
#include "models/text_encoder.h"
#include "train/loss.h"

namespace tongueforge::train {
namespace {

class MaskedLoss final : public Loss {
 public:
  MaskedLoss(const models::TextEncoder& model, double z_loss) : model_(model), z_loss_(z_loss) {}

  int64_t count(const Batch& batch) const override { return Targets::hidden(batch).count(); }

  // The head, its first half too, only where a token is hidden: one place in seven.
  LossSum sum(const Batch& batch, const Job* job) const override {
    const auto targets = Targets::hidden(batch).on(model_.device());
    const auto hidden_BTD = model_.hidden_packed(batch.rows(), job);
    const auto states_MD = model_.prediction(hidden_BTD.flatten(0, 1).index_select(0, targets.places_M));
    return told_apart(kernels::linear_cross_entropy_parts(
                          states_MD, model_.decoder(), targets.tokens_M,
                          {.z_loss = z_loss_, .bias = model_.decoder_bias(), .chunks = {.job = job}}),
                      z_loss_);
  }

 private:
  const models::TextEncoder& model_;
  double z_loss_;
};

}  // namespace

std::unique_ptr<Loss> make_masked_loss(const LossOptions& options, const models::Model& model) {
  return std::make_unique<MaskedLoss>(models::as_masked_lm(model), options.z_loss);
}

}  // namespace tongueforge::train
