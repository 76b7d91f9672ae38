#include "probe/ctc.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tongueforge::probe {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNever ? a : a + std::log1p(std::exp(b - a));
}

/// The target with a blank before, between and behind its tokens: S = 2U + 1 states, and which may follow.
class Lattice {
 public:
  explicit Lattice(std::span<const int32_t> target) : classes_(2 * target.size() + 1, kBlank) {
    for (size_t u = 0; u < target.size(); u++) classes_[2 * u + 1] = target[u];
  }

  int64_t size() const { return static_cast<int64_t>(classes_.size()); }
  int32_t operator[](int64_t s) const { return classes_[static_cast<size_t>(s)]; }
  /// Whether a path may go from s - 2 to s: over a blank that two tokens need not have between them.
  bool skips(int64_t s) const { return s >= 2 && (*this)[s] != kBlank && (*this)[s] != (*this)[s - 2]; }

 private:
  std::vector<int32_t> classes_;
};

/// logits (T,C) <- log softmax
void normalise(double* logits, int64_t places, int64_t classes) {
  for (int64_t t = 0; t < places; t++) {
    double* const row = logits + t * classes;
    const double most = *std::max_element(row, row + classes);
    double sum = 0;
    for (int64_t c = 0; c < classes; c++) sum += std::exp(row[c] - most);
    const double log_sum = most + std::log(sum);
    for (int64_t c = 0; c < classes; c++) row[c] -= log_sum;
  }
}

// (T,S): log of the sum over all beginnings of a path that are in state s at place t, that place included.
std::vector<double> forward(const double* log_probs, int64_t places, int64_t classes, const Lattice& states) {
  const int64_t size = states.size();
  std::vector<double> alpha(static_cast<size_t>(places * size), kNever);
  for (int64_t s = 0; s < std::min<int64_t>(2, size); s++) alpha[s] = log_probs[states[s]];
  for (int64_t t = 1; t < places; t++) {
    const double* const before = alpha.data() + (t - 1) * size;
    for (int64_t s = 0; s < size; s++) {
      double sum = before[s];
      if (s >= 1) sum = log_add(sum, before[s - 1]);
      if (states.skips(s)) sum = log_add(sum, before[s - 2]);
      alpha[t * size + s] = sum + log_probs[t * classes + states[s]];
    }
  }
  return alpha;
}

// (T,S): log of the sum over all ends of a path that is in state s at place t, that place not included.
std::vector<double> backward(const double* log_probs, int64_t places, int64_t classes,
                             const Lattice& states) {
  const int64_t size = states.size();
  std::vector<double> beta(static_cast<size_t>(places * size), kNever);
  for (int64_t s = std::max<int64_t>(0, size - 2); s < size; s++) beta[(places - 1) * size + s] = 0;
  for (int64_t t = places - 2; t >= 0; t--) {
    const double *const after = beta.data() + (t + 1) * size, *const next = log_probs + (t + 1) * classes;
    for (int64_t s = 0; s < size; s++) {
      double sum = after[s] + next[states[s]];
      if (s + 1 < size) sum = log_add(sum, after[s + 1] + next[states[s + 1]]);
      if (s + 2 < size && states.skips(s + 2)) sum = log_add(sum, after[s + 2] + next[states[s + 2]]);
      beta[t * size + s] = sum;
    }
  }
  return beta;
}

}  // namespace

int64_t places_needed(std::span<const int32_t> target) {
  auto places = static_cast<int64_t>(target.size());
  for (size_t u = 1; u < target.size(); u++) places += target[u] == target[u - 1];
  return places;
}

double ctc_loss(double* logits, int64_t places, int64_t classes, std::span<const int32_t> target,
                bool gradient) {
  const Lattice states(target);
  const int64_t size = states.size();
  normalise(logits, places, classes);
  const auto alpha = forward(logits, places, classes, states);
  double log_total = alpha.back();
  if (size >= 2) log_total = log_add(log_total, alpha[alpha.size() - 2]);
  if (!gradient) return -log_total;
  const auto beta = backward(logits, places, classes, states);
  for (int64_t i = 0; i < places * classes; i++) logits[i] = std::exp(logits[i]);
  for (int64_t t = 0; t < places; t++)
    for (int64_t s = 0; s < size; s++)
      logits[t * classes + states[s]] -= std::exp(alpha[t * size + s] + beta[t * size + s] - log_total);
  return -log_total;
}

std::vector<int32_t> greedy_tokens(const double* logits, int64_t places, int64_t classes) {
  std::vector<int32_t> tokens;
  int32_t before = kBlank;
  for (int64_t t = 0; t < places; t++) {
    const double* const row = logits + t * classes;
    const auto best = static_cast<int32_t>(std::max_element(row, row + classes) - row);
    if (best != before && best != kBlank) tokens.push_back(best);
    before = best;
  }
  return tokens;
}

}  // namespace tongueforge::probe
