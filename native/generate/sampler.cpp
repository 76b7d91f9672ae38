#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

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
  const size_t vocabulary = logits.size();
  order_.resize(vocabulary);
  std::iota(order_.begin(), order_.end(), 0);
  const auto more_probable = [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  size_t kept = options_.top_k > 0 ? std::min<size_t>(options_.top_k, vocabulary) : vocabulary;
  std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(kept), order_.end(),
                    more_probable);

  weights_.resize(kept);
  const double best = logits[order_[0]];
  for (size_t i = 0; i < kept; i++) weights_[i] = std::exp((logits[order_[i]] - best) / options_.temperature);

  const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  if (options_.top_p < 1) {
    double reached = 0;
    size_t i = 0;
    while (i < kept && reached < options_.top_p * total) reached += weights_[i++];
    kept = std::max<size_t>(i, 1);
  }
  // The best has weight 1, so min_p compares with weights as they stand.
  while (kept > 1 && weights_[kept - 1] < options_.min_p) kept--;

  double left = random_.uniform() *
                std::accumulate(weights_.begin(), weights_.begin() + static_cast<std::ptrdiff_t>(kept), 0.0);
  for (size_t i = 0; i + 1 < kept; i++) {
    left -= weights_[i];
    if (left < 0) return order_[i];
  }
  return order_[kept - 1];
}

}  // namespace tongueforge::generate
