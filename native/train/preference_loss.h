// Losses over pairs of a chosen and a rejected answer, from the log-probabilities of their tokens. To add
// one: a row in preference_loss.cpp, and its name in lib/config/dpo.ts.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

namespace tongueforge::train {

struct PreferenceOptions {
  std::string kind = "sigmoid";
  double beta = 0.1;
  double label_smoothing = 0;  // sigmoid, simpo: how often a pair is believed to stand the wrong way round
  double gamma = 0;            // simpo: the margin that is asked for
};

/// (P) float64 each: sums over the answer's tokens under the model that is trained and the reference, and
/// their number. The reference is undefined for losses that have none.
struct AnswerLogProbs {
  at::Tensor policy, reference, length;
};

struct PreferenceLosses {
  at::Tensor losses;                            // (P), differentiable
  at::Tensor chosen_rewards, rejected_rewards;  // (P): beta * what the loss compares, as TRL reports them
};

/// Whether this kind compares with a reference model. Throws ERR_USAGE for a kind that is not known.
bool has_reference(const PreferenceOptions& options);

/// sigmoid: DPO (arXiv 2305.18290), with label smoothing conservative DPO. hinge: SLiC (arXiv 2305.10425).
/// ipo: arXiv 2310.12036, of means over tokens, as its authors compute it. simpo: arXiv 2405.14734.
/// orpo: arXiv 2403.07691; its likelihood term is the mean over the tokens of each chosen answer.
PreferenceLosses preference_losses(const AnswerLogProbs& chosen, const AnswerLogProbs& rejected,
                                   const PreferenceOptions& options);

}  // namespace tongueforge::train
