#include "generate/ranking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tongueforge::generate {
namespace {

// Tokens that are sorted at the first look; with each further one three times as many again.
constexpr size_t kFirst = 64;
// From a share of 1 / kMany on, to divide and sort is faster than to hold the best of all against the rest.
constexpr size_t kMany = 16;

}  // namespace

void Ranking::begin(std::span<const float> logits, double temperature) {
  logits_ = logits;
  temperature_ = temperature;
  best_ = *std::max_element(logits.begin(), logits.end());
  order_.resize(logits.size());
  std::iota(order_.begin(), order_.end(), 0);
  weights_.clear();
}

double Ranking::weight_of(int32_t token) const {
  return std::exp((logits_[static_cast<size_t>(token)] - best_) / temperature_);
}

double Ranking::sum_of(size_t count) {
  double sum = 0;
  if (count == order_.size())
    for (size_t token = 0; token < count; token++) sum += weight_of(static_cast<int32_t>(token));
  else
    for (size_t i = 0; i < count; i++) sum += weight(i);
  return sum;
}

void Ranking::sort_to(size_t count) {
  const size_t sorted = weights_.size();
  if (count <= sorted) return;
  const size_t next = std::min(order_.size(), std::max({count, kFirst, 4 * sorted}));
  const auto more_probable = [&](int32_t a, int32_t b) {
    const float x = logits_[static_cast<size_t>(a)], y = logits_[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  const auto at = [&](size_t i) { return order_.begin() + static_cast<std::ptrdiff_t>(i); };
  if (next <= order_.size() / kMany) {
    std::partial_sort(at(sorted), at(next), order_.end(), more_probable);
  } else {
    std::nth_element(at(sorted), at(next), order_.end(), more_probable);
    std::sort(at(sorted), at(next), more_probable);
  }
  for (size_t i = sorted; i < next; i++) weights_.push_back(weight_of(order_[i]));
}

}  // namespace tongueforge::generate
