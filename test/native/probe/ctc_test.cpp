#include "probe/ctc.h"

#include <cmath>
#include <map>
#include <vector>

#include "core/random.h"
#include "testing.h"

using namespace tongueforge;

namespace {

using Tokens = std::vector<int32_t>;

std::vector<double> random_logits(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<double> logits;
  for (int64_t i = 0; i < count; i++) logits.push_back(4 * random.uniform() - 2);
  return logits;
}

Tokens collapsed(const Tokens& path) {
  Tokens tokens;
  for (size_t t = 0; t < path.size(); t++)
    if (path[t] != probe::kBlank && (t == 0 || path[t] != path[t - 1])) tokens.push_back(path[t]);
  return tokens;
}

/// Probability of every sequence of tokens: the sum over all paths that collapse to it, each path alone.
std::map<Tokens, double> enumerated(const std::vector<double>& logits, int64_t places, int64_t classes) {
  std::map<Tokens, double> sums;
  const auto paths = static_cast<int64_t>(std::pow(classes, places));
  for (int64_t number = 0; number < paths; number++) {
    Tokens path;
    double probability = 1;
    for (int64_t t = 0, rest = number; t < places; t++, rest /= classes) {
      double sum = 0;
      for (int64_t c = 0; c < classes; c++) sum += std::exp(logits[t * classes + c]);
      path.push_back(static_cast<int32_t>(rest % classes));
      probability *= std::exp(logits[t * classes + path.back()]) / sum;
    }
    sums[collapsed(path)] += probability;
  }
  return sums;
}

double loss(std::vector<double> logits, int64_t places, int64_t classes, const Tokens& target) {
  return probe::ctc_loss(logits.data(), places, classes, target, false);
}

}  // namespace

TEST_CASE("the CTC loss is that of the sum over all paths, for every target that there is room for") {
  for (uint64_t seed = 1; seed <= 5; seed++) {
    const int64_t places = 3 + static_cast<int64_t>(seed % 3), classes = 2 + static_cast<int64_t>(seed % 3);
    CAPTURE(seed);
    const auto logits = random_logits(places * classes, seed);
    double total = 0;
    for (const auto& [target, probability] : enumerated(logits, places, classes)) {
      CHECK(probe::places_needed(target) <= places);
      CHECK(loss(logits, places, classes, target) == doctest::Approx(-std::log(probability)).epsilon(1e-12));
      total += std::exp(-loss(logits, places, classes, target));
    }
    CHECK(total == doctest::Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("the gradient of the CTC loss is that of small steps") {
  const int64_t places = 6, classes = 4;
  for (const Tokens& target : {Tokens{1, 2, 3}, Tokens{2, 2}, Tokens{3}, Tokens{1, 1, 2, 1}}) {
    const auto logits = random_logits(places * classes, 7);
    auto gradient = logits;
    probe::ctc_loss(gradient.data(), places, classes, target, true);
    for (size_t i = 0; i < logits.size(); i++) {
      auto above = logits, below = logits;
      above[i] += 1e-5;
      below[i] -= 1e-5;
      const double slope =
          (loss(above, places, classes, target) - loss(below, places, classes, target)) / 2e-5;
      CHECK(gradient[i] == doctest::Approx(slope).epsilon(1e-6));
    }
  }
}

TEST_CASE("a target needs a place a token, and one between two that are alike") {
  CHECK(probe::places_needed(Tokens{}) == 0);
  CHECK(probe::places_needed(Tokens{1, 2, 1}) == 3);
  CHECK(probe::places_needed(Tokens{1, 1, 2, 2, 2}) == 8);
  const auto logits = random_logits(8 * 3, 1);
  CHECK(std::isfinite(loss(logits, 8, 3, {1, 1, 2, 2, 2})));
  CHECK_FALSE(std::isfinite(loss(random_logits(7 * 3, 1), 7, 3, {1, 1, 2, 2, 2})));
}

TEST_CASE("greedy tokens are the best class of each place, runs once, without blanks") {
  const auto tokens = [](const Tokens& best) {
    std::vector<double> logits(best.size() * 3, 0.0);
    for (size_t t = 0; t < best.size(); t++) logits[t * 3 + static_cast<size_t>(best[t])] = 1;
    return probe::greedy_tokens(logits.data(), static_cast<int64_t>(best.size()), 3);
  };
  CHECK(tokens({0, 1, 1, 0, 2}) == Tokens{1, 2});
  CHECK(tokens({1, 0, 1}) == Tokens{1, 1});
  CHECK(tokens({1, 2, 2, 1}) == Tokens{1, 2, 1});
  CHECK(tokens({0, 0}).empty());
  const std::vector<double> equal(6, 0.5);
  CHECK(probe::greedy_tokens(equal.data(), 2, 3).empty());
}
