#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/error.h"
#include "doctest.h"

using namespace tongueforge::generate;

namespace {

std::map<int32_t, int> draws(SamplingOptions options, const std::vector<float>& logits, int count,
                             const std::vector<int32_t>& context = {}) {
  Sampler sampler(options);
  std::map<int32_t, int> seen;
  for (int i = 0; i < count; i++) {
    auto copy = logits;
    seen[sampler.next(copy, context)]++;
  }
  return seen;
}

/// The same rules on a vocabulary that is sorted from end to end.
int32_t drawn_of_all(const SamplingOptions& options, const std::vector<float>& logits,
                     tongueforge::Random& random) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  if (options.top_k > 0) order.resize(std::min<size_t>(options.top_k, order.size()));
  std::vector<double> weights;
  for (const int32_t id : order)
    weights.push_back(std::exp((logits[id] - static_cast<double>(logits[order[0]])) / options.temperature));
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  size_t kept = 0;
  double reached = 0;
  while (kept < order.size() && (options.top_p >= 1 || reached < options.top_p * total))
    reached += weights[kept++];
  kept = std::max<size_t>(kept, 1);
  while (kept > 1 && weights[kept - 1] < options.min_p) kept--;
  double left =
      random.uniform() * std::accumulate(weights.begin(), weights.begin() + static_cast<int>(kept), 0.0);
  size_t i = 0;
  while (i + 1 < kept && (left -= weights[i]) >= 0) i++;
  return order[i];
}

const std::vector<float> kLogits = {0.0f, 2.0f, 1.0f, 2.0f, -1.0f};

}  // namespace

TEST_CASE("a logit that is no number is an error, not an accidental token") {
  for (const float wrong : {NAN, INFINITY}) {
    std::vector<float> logits = {1.0f, wrong, 0.0f};
    for (const double temperature : {0.0, 1.0}) {
      Sampler sampler({.temperature = temperature});
      CHECK_THROWS_AS(sampler.next(logits, {}), tongueforge::Error);
    }
  }
  std::vector<float> masked = {-INFINITY, 1.0f};
  CHECK(Sampler({}).next(masked, {}) == 1);
}

TEST_CASE("greedy takes the first of the largest") {
  CHECK(draws({}, kLogits, 3) == std::map<int32_t, int>{{1, 3}});
}

TEST_CASE("frequencies follow the softmax at the temperature") {
  for (const double temperature : {0.5, 1.0, 2.0}) {
    const int count = 40000;
    auto seen = draws({.temperature = temperature, .seed = 11}, kLogits, count);
    double total = 0;
    for (const float logit : kLogits) total += std::exp(logit / temperature);
    for (int token = 0; token < 5; token++) {
      const double p = std::exp(kLogits[token] / temperature) / total;
      CAPTURE(temperature);
      CAPTURE(token);
      // six standard deviations of a binomial: fails once in 10^8 for a right sampler
      CHECK(std::abs(seen[token] - p * count) < 6 * std::sqrt(p * (1 - p) * count) + 1);
    }
  }
}

TEST_CASE("the same seed draws the same tokens, another one others") {
  const SamplingOptions options{.temperature = 1, .seed = 5};
  Sampler a(options), b(options), c({.temperature = 1, .seed = 6});
  int equal = 0;
  for (int i = 0; i < 200; i++) {
    auto x = kLogits, y = kLogits, z = kLogits;
    const auto token = a.next(x, {});
    CHECK(token == b.next(y, {}));
    equal += token == c.next(z, {});
  }
  CHECK(equal < 150);
}

TEST_CASE("top_k keeps k tokens, and 1 is greedy") {
  CHECK(draws({.temperature = 1, .top_k = 1}, kLogits, 100) == std::map<int32_t, int>{{1, 100}});
  const auto seen = draws({.temperature = 1, .top_k = 3}, kLogits, 2000);
  CHECK(seen.size() == 3);
  CHECK(seen.count(0) + seen.count(4) == 0);
}

TEST_CASE("top_p keeps the smallest set that reaches p, and always one token") {
  // probabilities of 1, 3, 2, 0, 4: .392 .392 .144 .053 .020; the two best reach .784
  CHECK(draws({.temperature = 1, .top_p = 0.77}, kLogits, 2000).size() == 2);
  CHECK(draws({.temperature = 1, .top_p = 0.79}, kLogits, 2000).size() == 3);
  CHECK(draws({.temperature = 1, .top_p = 0.0}, kLogits, 100).size() == 1);
}

TEST_CASE("min_p leaves out what is less probable than that times the best") {
  // against the best: token 2 has exp(-1) = .37, token 0 .14, token 4 .05
  CHECK(draws({.temperature = 1, .min_p = 0.3}, kLogits, 2000).size() == 3);
  CHECK(draws({.temperature = 1, .min_p = 0.1}, kLogits, 4000).size() == 4);
  CHECK(draws({.temperature = 1, .min_p = 1.0}, kLogits, 2000).size() == 2);
}

TEST_CASE("a sampler that sorts no more than it has to draws the tokens of one that sorts all") {
  for (uint64_t seed = 1; seed <= 40; seed++) {
    CAPTURE(seed);
    tongueforge::Random random(seed);
    const auto below = [&](uint64_t n) { return static_cast<double>(random.next() % n); };
    const SamplingOptions options = {.temperature = 0.3 + below(5) / 2,
                                     .top_k = seed % 3 ? 0 : static_cast<int64_t>(below(700)),
                                     .top_p = seed % 2 ? 1 : below(100) / 100,
                                     .min_p = seed % 5 < 2 ? below(10) / 200 : 0,
                                     .seed = seed};
    Sampler sampler(options);
    tongueforge::Random same(seed);
    for (int i = 0; i < 25; i++) {
      std::vector<float> logits(1 + random.next() % 3000);  // sorted in every way that there is
      for (float& logit : logits) logit = static_cast<float>(below(2000)) / 250;  // with equals among them
      const auto expected = drawn_of_all(options, logits, same);
      CHECK(sampler.next(logits, {}) == expected);
    }
  }
}

TEST_CASE("a repetition penalty divides positive logits and multiplies negative ones, once a token") {
  SamplingOptions options;
  options.repetition_penalty = 3;
  CHECK(draws(options, kLogits, 1, {1, 1, 3}).count(2) == 1);       // 2/3 and 2/3 fall below 1
  CHECK(draws(options, {-1.0f, -2.0f}, 1, {0}).count(1) == 1);      // -1 becomes -3
  CHECK(draws(options, {3.1f, 1.0f}, 1, {0, 0, 0}).count(0) == 1);  // divided by 3, not by 27
}
