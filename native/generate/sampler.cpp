#include "generate/sampler.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "core/error.h"

namespace tongueforge::generate {
namespace {

// Each token once, however often it occurs: as transformers does.
void penalise_repetition(std::span<float> logits, std::span<const int32_t> context, double penalty) {
  std::vector<int32_t> said(context.begin(), context.end());
  std::sort(said.begin(), said.end());
  said.erase(std::unique(said.begin(), said.end()), said.end());
  for (const int32_t token : said) {
    float& logit = logits[token];
    logit = static_cast<float>(logit < 0 ? logit * penalty : logit / penalty);
  }
}

}  // namespace

// NaN compares with nothing: what was chosen would be an accident.
void check_logit(float logit, int64_t token) {
  if (!(logit < std::numeric_limits<float>::infinity()))
    throw Error("ERR_NON_FINITE", str("Expected finite logits, received ", logit, " for token ", token),
                "The weights hold NaN or infinity, or overflow in this dtype: try --dtype float32.");
}

int32_t argmax(std::span<const float> values) {
  return static_cast<int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

int32_t Sampler::next(std::span<float> logits, std::span<const int32_t> context) {
  for (size_t token = 0; token < logits.size(); token++)
    check_logit(logits[token], static_cast<int64_t>(token));
  if (options_.repetition_penalty != 1) penalise_repetition(logits, context, options_.repetition_penalty);
  return options_.temperature == 0 ? argmax(logits) : draw(logits);
}

int32_t Sampler::draw(std::span<const float> logits) {
  ranking_.begin(logits, options_.temperature);
  size_t kept = options_.top_k > 0 ? std::min<size_t>(options_.top_k, logits.size()) : logits.size();
  if (options_.top_p < 1) {
    const double enough = options_.top_p * ranking_.sum_of(kept);
    double reached = 0;
    size_t i = 0;
    while (i < kept && reached < enough) reached += ranking_.weight(i++);
    kept = std::max<size_t>(i, 1);
  }
  if (options_.min_p > 0) {  // the best has weight 1, so it compares with weights as they stand
    size_t i = 1;
    while (i < kept && !(ranking_.weight(i) < options_.min_p)) i++;
    kept = i;
  }
  double left = random_.uniform() * ranking_.sum_of(kept);
  for (size_t i = 0; i + 1 < kept; i++) {
    left -= ranking_.weight(i);
    if (left < 0) return ranking_.token(i);
  }
  return ranking_.token(kept - 1);
}

}  // namespace tongueforge::generate
