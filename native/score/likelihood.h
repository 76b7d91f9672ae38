// Log-likelihood of continuations, many at a time: what tasks with given answers are measured by.
#pragma once
#include <cstdint>
#include <vector>

#include "core/job.h"
#include "models/decoder.h"

namespace tongueforge::score {

/// A context and its continuation as one row of ids; the continuation begins at `first_target`, from 1.
struct LikelihoodRequest {
  std::vector<int32_t> ids;
  int64_t first_target = 1;
};

struct Likelihood {
  double log_likelihood = 0;  // sum of ln p(token | those before it), over the continuation
  bool is_greedy = true;      // each of its tokens is the most probable one there
};

struct LikelihoodOptions {
  int64_t batch_tokens = 0;  // tokens that go through the model at once; 0: 2048 on the CPU, else 16384
};

/// One result a request. The model never sees the last token of a row. Rows that differ in that alone are
/// read once; where many begin alike (the answers to one question, questions after the same examples), the
/// beginning is read once; all others are packed into long rows, without padding. Only places that foretell a
/// continuation meet the head, a few at a time. Same requests, same options: same bits.
/// Throws ERR_DATA for ids that are no tokens or longer than the model has positions, ERR_NON_FINITE.
std::vector<Likelihood> likelihoods(const models::Decoder& model,
                                    const std::vector<LikelihoodRequest>& requests,
                                    const LikelihoodOptions& options, Job& job);

}  // namespace tongueforge::score
