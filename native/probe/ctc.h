// Connectionist temporal classification (Graves et al. 2006): the probability of a row of tokens, whatever
// places they fall on. Letters: T places, C classes, the first of them the blank, U tokens.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace tongueforge::probe {

constexpr int32_t kBlank = 0;

/// Places that a target needs: one a token, and a blank between two that are alike.
int64_t places_needed(std::span<const int32_t> target);

/// logits (T,C), T at least what the target needs, target (U) of 1 to C - 1 -> -log of the sum, over all ways
/// to place the target, of their probability under softmax(logits). With `gradient`, that with respect to the
/// logits takes their place.
double ctc_loss(double* logits, int64_t places, int64_t classes, std::span<const int32_t> target,
                bool gradient);

/// The likeliest class of each place, each run of one class once, without blanks. Of equal ones the first.
std::vector<int32_t> greedy_tokens(const double* logits, int64_t places, int64_t classes);

}  // namespace tongueforge::probe
