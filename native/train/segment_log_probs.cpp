#include "train/segment_log_probs.h"

#include "kernels/aten.h"
#include "kernels/linear_cross_entropy.h"

namespace tongueforge::train {
namespace {

// The number of each place's document over the whole batch, (B*T); only for places that have one.
at::Tensor document_of_places(const at::Tensor& segments_BT, const at::Tensor& per_row_B) {
  const auto first_B = per_row_B.cumsum(0) - per_row_B;
  return (segments_BT + first_B.unsqueeze(1)).flatten();
}

}  // namespace

at::Tensor segments_per_row(const at::Tensor& segments_BT) { return segments_BT.amax(1) + 1; }

SegmentLogProbs segment_log_probs(const models::Decoder& model, const Batch& batch, const Job* job) {
  const Targets targets(batch);
  const auto there = targets.on(model.device());
  const auto per_row_B = segments_per_row(batch.segments_BT);
  const int64_t documents = per_row_B.sum().item<int64_t>();
  // A target stands one place after the one that predicts it, in the same document.
  const auto document_M = document_of_places(batch.segments_BT, per_row_B).index_select(0, targets.places_M);
  const auto hidden_MD = model.hidden_packed(batch.rows(), job).flatten(0, 1).index_select(0, there.places_M);
  const auto log_probs_M = kernels::token_log_probs(hidden_MD, model.head(), there.tokens_M, {.job = job})
                               .to(at::kCPU, at::kDouble);
  return {at::zeros({documents}, at::kDouble).index_add(0, document_M, log_probs_M),
          at::bincount(document_M, {}, documents)};
}

}  // namespace tongueforge::train
