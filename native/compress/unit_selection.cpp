#include "compress/unit_selection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace tongueforge::compress {
namespace {

using Units = std::vector<int64_t>;

// Best first; of equal ones the first.
Units ranked(const std::vector<double>& scores) {
  Units order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  return order;
}

Units best(const std::vector<double>& scores, int64_t count) {
  Units kept = ranked(scores);
  kept.resize(static_cast<size_t>(count));
  std::sort(kept.begin(), kept.end());
  return kept;
}

// Units that go together, or not at all.
struct Block {
  size_t layer;
  double score;
};

// Of each layer the blocks that may go, the best ones first: all but its best.
std::vector<Block> candidates(const Scores& scores, int64_t block) {
  std::vector<Block> all;
  for (size_t layer = 0; layer < scores.size(); layer++) {
    const Units order = ranked(scores[layer]);
    for (auto begin = order.begin() + block; begin < order.end(); begin += block) {
      const double sum = std::accumulate(begin, begin + block, 0.0, [&](double total, int64_t unit) {
        return total + scores[layer][static_cast<size_t>(unit)];
      });
      all.push_back({layer, sum});
    }
  }
  return all;
}

std::vector<int64_t> sizes_of(const Scores& scores) {
  std::vector<int64_t> sizes;
  for (const auto& layer : scores) sizes.push_back(static_cast<int64_t>(layer.size()));
  return sizes;
}

// How many each layer keeps once the least blocks of all are gone. Within a layer the sums of its blocks
// descend, so that those which go are always its last.
std::vector<int64_t> shared_out(const Scores& scores, const UnitBudget& budget) {
  auto left = sizes_of(scores);
  for (size_t layer = 0; layer < left.size(); layer++)
    if (left[layer] % budget.block != 0)
      throw Error("ERR_CONFIG", str("Expected layers of a multiple of ", budget.block, " units, received ",
                                    left[layer], " in layer ", layer));
  auto blocks = candidates(scores, budget.block);
  std::stable_sort(blocks.begin(), blocks.end(),
                   [](const Block& a, const Block& b) { return a.score > b.score; });
  const int64_t available = static_cast<int64_t>(blocks.size()) * budget.block;
  if (budget.remove < 0 || budget.remove > available || budget.remove % budget.block != 0)
    throw Error("ERR_CONFIG", str("Expected to remove 0 to ", available, " units in blocks of ", budget.block,
                                  ", received ", budget.remove));
  for (int64_t gone = 0; gone < budget.remove; gone += budget.block, blocks.pop_back())
    left[blocks.back().layer] -= budget.block;
  return left;
}

void check_keep(const Scores& scores, const std::vector<int64_t>& keep) {
  const auto sizes = sizes_of(scores);
  if (keep.size() != sizes.size())
    throw Error("ERR_CONFIG", str("Expected a number of units for each of ", sizes.size(),
                                  " layers, received ", keep.size()));
  for (size_t layer = 0; layer < keep.size(); layer++)
    if (keep[layer] < 1 || keep[layer] > sizes[layer])
      throw Error("ERR_CONFIG", str("Expected to keep 1 to ", sizes[layer], " units of layer ", layer,
                                    ", received ", keep[layer]));
}

}  // namespace

void check_finite(const Scores& scores) {
  for (size_t layer = 0; layer < scores.size(); layer++)
    for (size_t unit = 0; unit < scores[layer].size(); unit++)
      if (!std::isfinite(scores[layer][unit]))
        throw Error("ERR_NON_FINITE",
                    str("Expected a finite score, for unit ", unit, " of layer ", layer, ", received ",
                        scores[layer][unit]),
                    "The weights hold NaN or infinity, or overflow in this dtype: try dtype: float32.");
}

KeptUnits select_units(const Scores& scores, const UnitBudget& budget) {
  check_finite(scores);
  if (!budget.keep.empty()) check_keep(scores, budget.keep);
  const auto keep = budget.keep.empty() ? shared_out(scores, budget) : budget.keep;
  KeptUnits kept;
  for (size_t layer = 0; layer < scores.size(); layer++) kept.push_back(best(scores[layer], keep[layer]));
  return kept;
}

}  // namespace tongueforge::compress
