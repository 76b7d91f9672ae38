// Masked language modelling: the likelihood of tokens that have been hidden, each at its own place. Which are
// hidden, and by what, is the facade's choice: labels hold the tokens, ids what stands in their places.
#include "kernels/aten.h"
#include "kernels/linear_cross_entropy.h"
#include "models/text_encoder.h"
#include "train/loss.h"

namespace tongueforge::train {
namespace {

/// Places with a label, as indexes into the flattened rows, and their labels.
struct HiddenTokens {
  at::Tensor places_M, tokens_M;

  explicit HiddenTokens(const Batch& batch) {
    const auto labels = batch.labels_BT.flatten();
    places_M = labels.ne(-100).nonzero().squeeze(1);
    tokens_M = labels.index_select(0, places_M);
  }
};

class MaskedLoss final : public Loss {
 public:
  MaskedLoss(const models::TextEncoder& model, double z_loss) : model_(model), z_loss_(z_loss) {}

  int64_t count(const Batch& batch) const override { return HiddenTokens(batch).places_M.numel(); }

  // The head, its first half too, only where a token is hidden: one place in seven.
  LossSum sum(const Batch& batch, const Job* job) const override {
    const HiddenTokens hidden(batch);
    const auto hidden_BTD = model_.hidden_packed(batch.ids_BT, batch.segments_BT, job);
    const auto states_MD = model_.prediction(hidden_BTD.flatten(0, 1).index_select(0, hidden.places_M));
    const auto [total, nll] = kernels::linear_cross_entropy_parts(
        states_MD, model_.decoder(), hidden.tokens_M,
        {.z_loss = z_loss_, .bias = model_.decoder_bias(), .chunks = {.job = job}});
    if (z_loss_ == 0) return {total, {}};
    return {total, {{"z_loss", total.item<double>() - nll.item<double>()}}, nll};
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
