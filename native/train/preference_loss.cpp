#include "train/preference_loss.h"

#include "core/error.h"
#include "kernels/aten.h"
#include "train/loss.h"
#include "train/segment_log_probs.h"

namespace tongueforge::train {
namespace {

using at::Tensor;
using Options = PreferenceOptions;

// What is compared: log-probabilities, less those of the reference where there is one.
using LossOfScores = Tensor (*)(const Tensor& chosen, const Tensor& rejected, const Options& options);

// -log sigmoid of the margin; smoothed, a share of the pairs counts the other way round.
Tensor logistic(const Tensor& margin, const Options& options) {
  const double flipped = options.label_smoothing;
  const auto loss = at::log_sigmoid(margin).mul(flipped - 1);
  return flipped == 0 ? loss : loss - at::log_sigmoid(-margin).mul(flipped);
}

Tensor sigmoid_loss(const Tensor& chosen, const Tensor& rejected, const Options& options) {
  return logistic((chosen - rejected) * options.beta, options);
}

Tensor hinge_loss(const Tensor& chosen, const Tensor& rejected, const Options& options) {
  return at::relu(1 - (chosen - rejected) * options.beta);
}

Tensor ipo_loss(const Tensor& chosen, const Tensor& rejected, const Options& options) {
  return (chosen - rejected - 1 / (2 * options.beta)).square();
}

Tensor simpo_loss(const Tensor& chosen, const Tensor& rejected, const Options& options) {
  return logistic((chosen - rejected) * options.beta - options.gamma, options);
}

// log(p / (1 - p)), p the geometric mean of the probabilities of the tokens. An answer that is certain, with
// a mean log-probability of 0 in float32, has infinite odds, and a gradient of 0 times infinity: p ends just
// below 1, and beyond there is nothing to gain.
constexpr double kLeastDoubt = 1e-7;
Tensor log_odds(const Tensor& mean_log_prob) {
  const auto log_p = mean_log_prob.clamp_max(-kLeastDoubt);
  return log_p - at::log(-at::expm1(log_p));
}

Tensor orpo_loss(const Tensor& chosen, const Tensor& rejected, const Options& options) {
  return -chosen - at::log_sigmoid(log_odds(chosen) - log_odds(rejected)) * options.beta;
}

struct Row {
  const char* kind;
  bool reference;  // compares with a reference model
  bool mean;       // of means over the tokens, not of sums
  LossOfScores loss;
};

constexpr Row kRows[] = {
    {"sigmoid", true, false, sigmoid_loss}, {"hinge", true, false, hinge_loss}, {"ipo", true, true, ipo_loss},
    {"simpo", false, true, simpo_loss},     {"orpo", false, true, orpo_loss},
};

const Row& row_of(const Options& options) {
  for (const auto& row : kRows)
    if (options.kind == row.kind) return row;
  throw Error("ERR_USAGE",
              str("Expected a preference loss sigmoid, hinge, ipo, simpo or orpo, received ", options.kind));
}

Tensor score_of(const AnswerLogProbs& answer, const Row& row) {
  const auto score = row.reference ? answer.policy - answer.reference : answer.policy;
  return row.mean ? score / answer.length : score;
}

// TRL's: with a reference always of sums, without one of what is compared.
Tensor reward_of(const AnswerLogProbs& answer, const Row& row, double beta) {
  const auto score = row.reference ? answer.policy - answer.reference : answer.policy / answer.length;
  return score.detach() * beta;
}

Error lone_answers(const std::string& found) {
  return Error("ERR_DATA", "Expected two answers with target tokens for each pair of a row, found " + found);
}

// Documents 2k and 2k+1 of a row are a chosen and a rejected answer, each after its prompt.
class PreferenceLoss final : public Loss {
 public:
  PreferenceLoss(const models::Decoder& model, const Options& options)
      : model_(model), options_(options), has_reference_(has_reference(options)) {}

  int64_t count(const Batch& batch) const override {
    const auto per_row_B = segments_per_row(batch.segments_BT);
    if (per_row_B.remainder(2).any().item<bool>()) throw lone_answers("an odd number of documents");
    return per_row_B.sum().item<int64_t>() / 2;
  }

  int64_t targets(const Batch& batch) const override { return Targets(batch).count(); }

  LossSum sum(const Batch& batch, const Job* job) const override {
    const auto policy = segment_log_probs(model_, batch, job);
    if (policy.counts_S.eq(0).any().item<bool>()) throw lone_answers("an answer without any");
    if (has_reference_ &&
        (!batch.reference_S.defined() || batch.reference_S.sizes() != policy.sums_S.sizes()))
      throw Error("ERR_DATA", str("Expected a reference log-probability for each of ", policy.sums_S.numel(),
                                  " answers, received another number"));
    const auto chosen = side(policy, batch, 0), rejected = side(policy, batch, 1);
    const auto result = preference_losses(chosen, rejected, options_);
    return {result.losses.sum().to(at::kFloat), figures(chosen, rejected, result)};
  }

 private:
  AnswerLogProbs side(const SegmentLogProbs& policy, const Batch& batch, int64_t first) const {
    const auto pick = [first](const Tensor& values_S) { return values_S.slice(0, first, {}, 2); };
    return {pick(policy.sums_S), has_reference_ ? pick(batch.reference_S) : Tensor(),
            pick(policy.counts_S).to(at::kDouble)};
  }

  static std::map<std::string, Tensor> figures(const AnswerLogProbs& chosen, const AnswerLogProbs& rejected,
                                               const PreferenceLosses& result) {
    const auto total = [](const Tensor& values) { return values.detach().sum(); };
    const auto margin = result.chosen_rewards - result.rejected_rewards;
    return {{"accuracy", total(margin.gt(0))},
            {"margin", total(margin)},
            {"chosen_reward", total(result.chosen_rewards)},
            {"rejected_reward", total(result.rejected_rewards)},
            {"chosen_log_prob", total(chosen.policy)},
            {"rejected_log_prob", total(rejected.policy)}};
  }

  const models::Decoder& model_;
  Options options_;
  bool has_reference_;
};

}  // namespace

bool has_reference(const PreferenceOptions& options) { return row_of(options).reference; }

PreferenceLosses preference_losses(const AnswerLogProbs& chosen, const AnswerLogProbs& rejected,
                                   const PreferenceOptions& options) {
  const auto& row = row_of(options);
  return {row.loss(score_of(chosen, row), score_of(rejected, row), options),
          reward_of(chosen, row, options.beta), reward_of(rejected, row, options.beta)};
}

std::unique_ptr<Loss> make_preference_loss(const LossOptions& options, const models::Model& model) {
  return std::make_unique<PreferenceLoss>(models::as_decoder(model), options.preference);
}

}  // namespace tongueforge::train
