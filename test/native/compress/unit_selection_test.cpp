#include "compress/unit_selection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "doctest.h"

using namespace tongueforge;
using compress::KeptUnits;
using compress::Scores;
using compress::select_units;

namespace {

Scores random_scores(const std::vector<size_t>& sizes, uint64_t seed) {
  Random random(seed);
  Scores scores;
  for (const size_t size : sizes) {
    scores.emplace_back();
    for (size_t unit = 0; unit < size; unit++)
      scores.back().push_back(std::floor(random.uniform() * 20));  // many of them are equal
  }
  return scores;
}

int64_t number_of(const KeptUnits& kept) {
  int64_t count = 0;
  for (const auto& layer : kept) count += static_cast<int64_t>(layer.size());
  return count;
}

bool contains(const KeptUnits& larger, const KeptUnits& smaller) {
  for (size_t layer = 0; layer < larger.size(); layer++)
    if (!std::includes(larger[layer].begin(), larger[layer].end(), smaller[layer].begin(),
                       smaller[layer].end()))
      return false;
  return true;
}

Error error_of(const Scores& scores, const compress::UnitBudget& budget) {
  try {
    select_units(scores, budget);
  } catch (const Error& error) { return error; }
  FAIL("nothing was thrown");
  return Error("", "");
}

}  // namespace

TEST_CASE("each layer keeps its best units in their order, and of equal ones the first") {
  const Scores scores = {{3, 1, 2, 3}, {5, 5, 5, 5}};
  CHECK(select_units(scores, {.keep = {2, 2}}) == KeptUnits{{0, 3}, {0, 1}});
  CHECK(select_units(scores, {.keep = {3, 4}}) == KeptUnits{{0, 2, 3}, {0, 1, 2, 3}});
}

TEST_CASE("removing over all layers takes the least of all, but never the best of a layer") {
  const Scores scores = {{9, 8, 1}, {0.3, 0.2, 0.1}};
  CHECK(select_units(scores, {.remove = 3}) == KeptUnits{{0, 1}, {0}});
  CHECK(select_units(scores, {.remove = 4}) == KeptUnits{{0}, {0}});
  CHECK(select_units(scores, {.remove = 0}) == KeptUnits{{0, 1, 2}, {0, 1, 2}});
}

TEST_CASE("exactly as many units go as were asked for, and nothing that stays is less than what goes") {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    CAPTURE(seed);
    const auto scores = random_scores({5, 9, 1, 12}, seed);
    KeptUnits before = select_units(scores, {.remove = 0});
    for (int64_t remove = 1; remove <= 23; remove++) {
      CAPTURE(remove);
      const auto kept = select_units(scores, {.remove = remove});
      CHECK(number_of(kept) == 27 - remove);
      CHECK(contains(before, kept));  // who removes more removes the same and others
      double least_kept = 1e9, most_gone = 0;
      for (size_t layer = 0; layer < scores.size(); layer++) {
        REQUIRE(!kept[layer].empty());
        for (size_t unit = 0; unit < scores[layer].size(); unit++) {
          const bool stays = std::ranges::find(kept[layer], static_cast<int64_t>(unit)) != kept[layer].end();
          if (stays && kept[layer].size() > 1) least_kept = std::min(least_kept, scores[layer][unit]);
          if (!stays) most_gone = std::max(most_gone, scores[layer][unit]);
        }
      }
      CHECK(most_gone <= least_kept);
      before = kept;
    }
  }
}

TEST_CASE("blocks go whole: the least of a layer at once, weighed by their sum") {
  const Scores scores = {{1, 10, 1, 10, 2, 2}, {3, 3, 3, 3, 1, 6}};
  // blocks of two, least first: {0, 2}, {4, 5} of the first layer, {3, 4}, {1, 2} of the second
  CHECK(select_units(scores, {.remove = 2, .block = 2}) == KeptUnits{{1, 3, 4, 5}, {0, 1, 2, 3, 4, 5}});
  CHECK(select_units(scores, {.remove = 6, .block = 2}) == KeptUnits{{1, 3}, {0, 1, 2, 5}});
  CHECK(select_units(scores, {.remove = 8, .block = 2}) == KeptUnits{{1, 3}, {0, 5}});
}

TEST_CASE("the order in which units stand changes nothing but their numbers") {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    CAPTURE(seed);
    Random random(seed);
    Scores scores = {{}, {}};
    for (auto& layer : scores)
      for (int unit = 0; unit < 8; unit++) layer.push_back(random.uniform());
    Scores turned = scores;
    for (auto& layer : turned) std::reverse(layer.begin(), layer.end());
    const auto kept = select_units(scores, {.remove = 7});
    auto mirrored = select_units(turned, {.remove = 7});
    for (auto& layer : mirrored) {
      for (auto& unit : layer) unit = 7 - unit;
      std::reverse(layer.begin(), layer.end());
    }
    CHECK(kept == mirrored);
  }
}

TEST_CASE("budgets that the model does not have are refused with what it has") {
  const Scores scores = {{1, 2, 3}, {4, 5, 6}};
  CHECK(error_of(scores, {.keep = {3, 4}}).message() ==
        "Expected to keep 1 to 3 units of layer 1, received 4");
  CHECK(error_of(scores, {.keep = {3, 0}}).code() == "ERR_CONFIG");
  CHECK(error_of(scores, {.keep = {3}}).message() ==
        "Expected a number of units for each of 2 layers, received 1");
  CHECK(error_of(scores, {.remove = 5}).message() ==
        "Expected to remove 0 to 4 units in blocks of 1, received 5");
  CHECK(error_of(scores, {.remove = 2, .block = 2}).message() ==
        "Expected layers of a multiple of 2 units, received 3 in layer 0");
}

TEST_CASE("a score that is not a number is refused with layer and unit") {
  const auto error = error_of({{1, 2}, {3, std::nan("")}}, {.remove = 1});
  CHECK(error.code() == "ERR_NON_FINITE");
  CHECK(error.message() == "Expected a finite score, for unit 1 of layer 1, received nan");
  CHECK(error.hint() == "The weights hold NaN or infinity, or overflow in this dtype: try dtype: float32.");
}
