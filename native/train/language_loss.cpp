// The next token's negative log-likelihood: continual pre-training, InsCP and SFT differ by their labels
// only.
#include "kernels/aten.h"
#include "kernels/linear_cross_entropy.h"
#include "kernels/packed_attention_flash.h"
#include "kernels/transfer.h"
#include "models/decoder.h"
#include "train/fixed_loss.h"

namespace tongueforge::train {
namespace {

// All places go through the head, those without a target for nothing: how many there are cannot be recorded.
class FixedLanguageLoss final : public FixedLoss {
 public:
  FixedLanguageLoss(const models::Decoder& model, double z_loss, int64_t rows, int64_t time)
      : model_(model),
        z_loss_(z_loss),
        plan_(rows, time, rows * (8 + time / kLeastDocument), model.device()),
        rows_{at::empty({rows, time}, at::device(model.device()).dtype(at::kLong)), plan_.plan(), {}},
        targets_M_(at::empty({rows * time}, rows_.ids_BT.options())) {}

  bool fits(const Batch& batch) const override { return plan_.fits(batch.segments_BT); }

  void bring(const Batch& batch) override {
    const at::NoGradGuard no_grad;
    kernels::copy_to_device(rows_.ids_BT, batch.ids_BT);
    kernels::copy_to_device(targets_M_, Targets::of_places(batch));
    plan_.fill(batch.segments_BT);
    const auto turned = model_.rotation_of(*rows_.plan);
    if (!rows_.rotation.cos.defined()) rows_.rotation = turned;
    rows_.rotation.cos.copy_(turned.cos);
    rows_.rotation.sin.copy_(turned.sin);
  }

  LossSum sum() const override {
    const auto hidden_MD = model_.hidden_planned(rows_).flatten(0, 1);
    return told_apart(
        kernels::linear_cross_entropy_parts(hidden_MD, model_.head(), targets_M_, {.z_loss = z_loss_}),
        z_loss_);
  }

 private:
  // Of places: there is room for rows of such, and a few more. Room costs time, as attention starts blocks
  // for every stretch, even of none: with 32, a step of 16 k tokens took a sixth longer recorded than not (1
  // B, H200).
  static constexpr int64_t kLeastDocument = 256;

  const models::Decoder& model_;
  double z_loss_;
  kernels::FixedPackedPlan plan_;
  models::PlannedRows rows_;
  at::Tensor targets_M_;
};

class LanguageLoss final : public Loss {
 public:
  LanguageLoss(const models::Decoder& model, double z_loss) : model_(model), z_loss_(z_loss) {}

  int64_t count(const Batch& batch) const override { return Targets(batch).count(); }

  // Not where a GPU's attention goes document by document, or frequencies depend on the longest of them.
  std::unique_ptr<FixedLoss> fixed(int64_t rows, int64_t time) const override {
    const auto& spec = model_.spec();
    const bool recordable = model_.device().is_cpu() ||
                            kernels::has_flash_attention(model_.device(), model_.dtype(), spec.head_dim);
    if (!recordable || spec.rope.kind == nn::RopeKind::dynamic) return nullptr;
    return std::make_unique<FixedLanguageLoss>(model_, z_loss_, rows, time);
  }

  // Logits only where there is a target: padding and prompts cost no head.
  LossSum sum(const Batch& batch, const Job* job) const override {
    const auto targets = Targets(batch).on(model_.device());
    const auto hidden_BTD = model_.hidden_packed(batch.rows(), job);
    const auto hidden_MD = hidden_BTD.flatten(0, 1).index_select(0, targets.places_M);
    return told_apart(kernels::linear_cross_entropy_parts(hidden_MD, model_.head(), targets.tokens_M,
                                                          {.z_loss = z_loss_, .chunks = {.job = job}}),
                      z_loss_);
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
