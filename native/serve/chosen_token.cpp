#include "serve/chosen_token.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tongueforge::serve {
namespace {

double log_sum_exp(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return most + std::log(sum);
}

std::vector<LogProb> most_probable(std::span<const float> logits, int64_t count, double total) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto kept = static_cast<size_t>(std::min<int64_t>(count, static_cast<int64_t>(ids.size())));
  const auto end = ids.begin() + static_cast<std::ptrdiff_t>(kept);
  std::partial_sort(ids.begin(), end, ids.end(), [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  std::vector<LogProb> top;
  for (auto it = ids.begin(); it != end; ++it) top.push_back({*it, static_cast<float>(logits[*it] - total)});
  return top;
}

}  // namespace

Token choose_token(Sequence& sequence, std::span<float> logits) {
  Token token = {sequence.number, 0};
  const int64_t asked = sequence.request.log_probs;
  if (asked < 0) {
    token.id = sequence.sampler.next(logits, sequence.tokens);
    return token;
  }
  for (size_t id = 0; id < logits.size(); id++) generate::check_logit(logits[id], static_cast<int64_t>(id));
  const std::vector<float> before(logits.begin(), logits.end());  // the sampler changes them
  const double total = log_sum_exp(before);
  token.id = sequence.sampler.next(logits, sequence.tokens);
  token.log_prob = static_cast<float>(before[static_cast<size_t>(token.id)] - total);
  token.top = most_probable(before, asked, total);
  return token;
}

}  // namespace tongueforge::serve
