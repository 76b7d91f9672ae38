// Which units of a model stay, by their scores: heads, groups of heads, rows of feed-forward layers.
#pragma once
#include <cstdint>
#include <vector>

namespace tongueforge::compress {

/// Of each layer, of each of its units. What has the least score goes first.
using Scores = std::vector<std::vector<double>>;
/// Of each layer, the units that stay, ascending.
using KeptUnits = std::vector<std::vector<int64_t>>;

/// How many units stay: the best `keep` of each layer, or where that is empty, all but `remove` of all layers
/// together, which then go in blocks: the `block` least of a layer at once. Each layer keeps its best block.
struct UnitBudget {
  std::vector<int64_t> keep{};
  int64_t remove = 0;
  int64_t block = 1;  // remove, and the units of every layer, are multiples of it
};

/// Throws ERR_NON_FINITE, with layer and unit, for scores that are not numbers.
void check_finite(const Scores& scores);

/// Of equal scores, the units and layers that come first stay. Throws ERR_NON_FINITE as check_finite,
/// ERR_CONFIG for a budget that the model does not have.
KeptUnits select_units(const Scores& scores, const UnitBudget& budget);

}  // namespace tongueforge::compress
