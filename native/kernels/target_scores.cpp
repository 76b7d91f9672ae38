#include "kernels/target_scores.h"

#include "kernels/cuda/glue.h"
#include "kernels/dispatch.h"
#include "kernels/greedy_choice.h"
#include "kernels/head_chunks.h"
#include "kernels/softmax_rows.h"

namespace tongueforge::kernels {
namespace {

// logits (m,V), targets (m), log_probs (m). Where there is no code of our own, as for float16 on the CPU.
void plain_log_probs(const at::Tensor& logits, const at::Tensor& targets, at::Tensor& log_probs) {
  const auto wide = logits.to(wide_dtype(logits)).log_softmax(1);
  log_probs.copy_(wide.gather(1, targets.unsqueeze(1)).squeeze(1));
}

}  // namespace

TargetScores target_scores(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                           const ChunkOptions& chunks) {
  const at::NoGradGuard no_grad;
  const HeadInputs head = {hidden, weight};
  const auto there = checked_targets(targets, head);
  const bool own = has_fused_code(hidden, weight) || cuda::has_twin(hidden, weight);
  const int64_t size = chunk_rows(chunks, head);
  HeadLogits all(head, size);
  TargetScores scores = {row_statistics(hidden),
                         at::empty({hidden.size(0)}, there.options().dtype(at::kBool))};
  auto log_sums = row_statistics(hidden);
  const auto choice = at::empty({size, 1}, there.options());
  const auto best = at::empty({size, 1}, there.options().dtype(at::kFloat));
  for_chunks(hidden.size(0), size, chunks.job, [&](int64_t begin, int64_t m) {
    const auto logits = all.of(begin, m), wanted = there.narrow(0, begin, m);
    auto sums = log_sums.narrow(0, begin, m), here = scores.log_probs.narrow(0, begin, m);
    if (own) {
      softmax_losses(logits, wanted, sums, here);
      here.neg_();
    } else {
      plain_log_probs(logits, wanted, here);
    }
    greedy_choice(logits, choice.narrow(0, 0, m), best.narrow(0, 0, m));
    scores.is_best.narrow(0, begin, m).copy_(choice.narrow(0, 0, m).squeeze(1).eq(wanted));
  });
  return scores;
}

}  // namespace tongueforge::kernels
