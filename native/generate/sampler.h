// Picks the next token from logits: greedy, or sampled after the usual filters, in the order of transformers'
// generate: repetition penalty, temperature, top-k, top-p, min-p.
#pragma once
#include <cstdint>
#include <span>

#include "core/random.h"
#include "generate/ranking.h"

namespace tongueforge::generate {

struct SamplingOptions {
  double temperature = 0;  // 0 = greedy
  int64_t top_k = 0;       // keep the k most probable tokens; 0 = all
  double top_p = 1;        // keep the smallest set whose probability reaches p
  double min_p = 0;        // keep tokens at least this times as probable as the best
  double repetition_penalty =
      1;  // Keskar et al. 2019, arXiv 1909.05858: > 1 discourages what was already said
  uint64_t seed = 0;
};

class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) {}

  /// logits (V) are changed in place; `context` holds the ids so far, prompt included.
  /// Throws ERR_NON_FINITE for a logit that is NaN or plus infinity.
  int32_t next(std::span<float> logits, std::span<const int32_t> context);

 private:
  int32_t draw(std::span<const float> logits);

  SamplingOptions options_;
  Random random_;
  Ranking ranking_;
};

/// Throws ERR_NON_FINITE for the logit of a token that is NaN or plus infinity.
void check_logit(float logit, int64_t token);

/// Index of the largest value, the first of equals.
int32_t argmax(std::span<const float> values);

}  // namespace tongueforge::generate
