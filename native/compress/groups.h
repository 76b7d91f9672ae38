// The lowest scores of a group of M neighbours, for N:M patterns.
#pragma once
#include <cstdint>

#include "compress/amount.h"

namespace tongueforge::compress {

/// take(i) for all but the `kept` highest of the `of` scores from here on; of equal ones those that come
/// first are lower. Groups are a few numbers long: each counts those below it.
template <class Score, class Take>
void for_lowest(const Score* scores, const Pattern& pattern, const Take& take) {
  for (int64_t i = 0; i < pattern.of; i++) {
    int64_t below = 0;
    for (int64_t j = 0; j < pattern.of; j++)
      below += static_cast<int64_t>(scores[j] < scores[i] || (j < i && scores[j] == scores[i]));
    if (below < pattern.of - pattern.kept) take(i);
  }
}

}  // namespace tongueforge::compress
