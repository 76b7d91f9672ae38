// Log-likelihood of token sequences.
#pragma once
#include <cstdint>
#include <vector>

#include "core/job.h"
#include "models/decoder.h"

namespace tongueforge::score {

struct ScoreOptions {
  int64_t window = 0;  // longest context, 0 = the model's max_positions
  int64_t stride =
      0;  // new tokens a window, 0 = half of it; each is scored with at least window - stride context
  int64_t first_target = 1;  // index of the first token that counts; a sequence's first token has no context
};

struct Score {
  int64_t tokens = 0;  // tokens that were predicted
  double nll = 0;      // sum of -ln p(token | context), natural logarithm
};

/// One score a row. Longer rows are read through a sliding window; every token counts once.
/// Throws ERR_NON_FINITE where a likelihood is no number.
std::vector<Score> score(const models::Decoder& model, const std::vector<std::vector<int32_t>>& rows,
                         const ScoreOptions& options, Job& job);

}  // namespace tongueforge::score
