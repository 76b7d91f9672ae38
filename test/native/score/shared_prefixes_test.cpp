#include "score/shared_prefixes.h"

#include <algorithm>
#include <random>

#include "doctest.h"

using namespace tongueforge::score;

namespace {

std::vector<PrefixedRow> rows_of(const std::vector<std::vector<int32_t>>& ids) {
  std::vector<PrefixedRow> rows;
  for (const auto& row : ids) rows.push_back({row, static_cast<int64_t>(row.size()) - 1});
  return rows;
}

std::vector<int32_t> counting(int32_t from, int32_t length, int32_t last) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < length; i++) ids.push_back(from + i);
  ids.push_back(last);
  return ids;
}

}  // namespace

TEST_CASE("rows that begin alike are a group, the others stay apart") {
  const std::vector<std::vector<int32_t>> ids = {counting(0, 20, 900), counting(500, 20, 1),
                                                 counting(0, 20, 901), counting(0, 20, 902)};
  const auto groups = prefix_groups(rows_of(ids));
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].shared == 20);
  CHECK(groups[0].rows == std::vector<int64_t>{0, 2, 3});
  CHECK(groups[1].shared == 0);
  CHECK(groups[1].rows == std::vector<int64_t>{1});
}

TEST_CASE("many questions after the same examples share these rather than four answers their question") {
  std::vector<std::vector<int32_t>> ids;
  for (int32_t question = 0; question < 8; question++)
    for (int32_t answer = 0; answer < 4; answer++) {
      auto row = counting(0, 100, 1000 + question);
      row.push_back(2000 + question), row.push_back(answer);
      ids.push_back(row);
    }
  const auto groups = prefix_groups(rows_of(ids));
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].shared == 100);
  CHECK(groups[0].rows.size() == 32);
}

TEST_CASE("a short beginning, and one that saves little, are not worth a pass") {
  CHECK(prefix_groups(rows_of({counting(0, 9, 1), counting(0, 9, 2)}))[0].shared == 0);
  auto longer = counting(0, 20, 1);
  longer.insert(longer.end(), 60, 7);
  CHECK(prefix_groups(rows_of({longer, counting(0, 20, 2)}))[0].shared == 0);
}

TEST_CASE("every row is in one group, and what is shared is the same in all rows and within their limits") {
  for (uint32_t seed = 1; seed <= 200; seed++) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::vector<std::vector<int32_t>> ids(1 + random() % 30);
    for (auto& row : ids) {
      row = counting(static_cast<int32_t>(random() % 2) * 500, static_cast<int32_t>(random() % 60), 999);
      for (auto extra = random() % 20; extra > 0; extra--) row.push_back(static_cast<int32_t>(random() % 3));
    }
    auto rows = rows_of(ids);
    for (auto& row : rows) row.most_shared = static_cast<int64_t>(random() % row.ids.size());
    std::vector<int64_t> seen;
    for (const auto& group : prefix_groups(rows)) {
      seen.insert(seen.end(), group.rows.begin(), group.rows.end());
      for (const auto row : group.rows) {
        CHECK(group.shared <= (group.shared > 0 ? rows[row].most_shared : 0));
        CHECK(std::ranges::equal(rows[row].ids.first(group.shared),
                                 rows[group.rows[0]].ids.first(group.shared)));
      }
    }
    std::ranges::sort(seen);
    CHECK(seen.size() == rows.size());
    CHECK(std::ranges::adjacent_find(seen) == seen.end());
  }
}
