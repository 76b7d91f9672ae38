// Masked prediction: the likelihood of tokens that have been hidden, each at its own place, or of the
// clusters of sound that was (HuBERT, arXiv 2106.07447). Which are hidden, and by what, is the facade's
// choice: labels hold the tokens or clusters, ids what stands in their places.
#include "kernels/aten.h"
#include "kernels/linear_cross_entropy.h"
#include "models/masked_predictor.h"
#include "train/loss.h"

namespace tongueforge::train {
namespace {

class MaskedLoss final : public Loss {
 public:
  MaskedLoss(const models::Model& model, double z_loss)
      : model_(model), predictor_(models::as_masked_predictor(model)), z_loss_(z_loss) {}

  int64_t count(const Batch& batch) const override { return Targets::hidden(batch).count(); }

  // The head, its first half too, only where a token is hidden: one place in seven.
  LossSum sum(const Batch& batch, const Job* job) const override {
    const auto targets = Targets::hidden(batch).on(model_.device());
    const auto hidden_BTD = model_.hidden_packed(batch.rows(), job);
    const auto states_MD = predictor_.prediction(hidden_BTD.flatten(0, 1).index_select(0, targets.places_M));
    return told_apart(kernels::linear_cross_entropy_parts(
                          states_MD, predictor_.decoder(), targets.tokens_M,
                          {.z_loss = z_loss_, .bias = predictor_.decoder_bias(), .chunks = {.job = job}}),
                      z_loss_);
  }

 private:
  const models::Model& model_;
  const models::MaskedPredictor& predictor_;
  double z_loss_;
};

}  // namespace

std::unique_ptr<Loss> make_masked_loss(const LossOptions& options, const models::Model& model) {
  return std::make_unique<MaskedLoss>(model, options.z_loss);
}

}  // namespace tongueforge::train
