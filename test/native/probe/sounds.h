// Hidden states made for tests.
#pragma once
#include <algorithm>
#include <vector>

#include "kernels/aten.h"
#include "probe/states.h"

namespace tongueforge::test {

/// Of each utterance (L,T,D), every value with a mean and deviation of its own.
inline std::vector<at::Tensor> random_sounds(const std::vector<int64_t>& places, int64_t layers,
                                             int64_t width, uint64_t seed) {
  at::manual_seed(seed);
  const auto mean = at::randn({layers, 1, width}), deviation = at::rand({layers, 1, width}) + 0.2;
  std::vector<at::Tensor> all;
  for (const int64_t count : places) all.push_back(mean + deviation * at::randn({layers, count, width}));
  return all;
}

inline probe::States gathered(const std::vector<at::Tensor>& sounds, bool pooled) {
  std::vector<int32_t> rows;
  for (const auto& sound : sounds) rows.push_back(pooled ? 1 : static_cast<int32_t>(sound.size(1)));
  probe::States states(sounds[0].size(0), sounds[0].size(2), rows, pooled);
  for (size_t u = 0; u < sounds.size(); u++) states.set(static_cast<int64_t>(u), sounds[u]);
  return states;
}

}  // namespace tongueforge::test
