#include "score/shared_prefixes.h"

#include <algorithm>
#include <numeric>

namespace tongueforge::score {
namespace {

constexpr int64_t kLeastShared = 16;  // a pass of its own, and a copy of keys and values, cost about as much

int64_t common_length(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

std::vector<int64_t> in_order_of_ids(const std::vector<PrefixedRow>& rows) {
  std::vector<int64_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return std::ranges::lexicographical_compare(rows[a].ids, rows[b].ids);
  });
  return order;
}

// Tokens that need not be read again.
int64_t saved(int64_t shared, size_t rows) { return shared * (static_cast<int64_t>(rows) - 1); }

bool pays(const PrefixGroup& group, int64_t tokens) {
  return group.shared >= kLeastShared && saved(group.shared, group.rows.size()) * 3 >= tokens;
}

}  // namespace

std::vector<PrefixGroup> prefix_groups(const std::vector<PrefixedRow>& rows) {
  std::vector<PrefixGroup> groups;
  PrefixGroup alone;
  const auto close = [&](PrefixGroup& group, int64_t tokens) {
    if (pays(group, tokens)) return groups.push_back(std::move(group));
    alone.rows.insert(alone.rows.end(), group.rows.begin(), group.rows.end());
  };
  PrefixGroup group;
  int64_t tokens = 0;
  for (const auto index : in_order_of_ids(rows)) {
    const auto& row = rows[index];
    const auto length = static_cast<int64_t>(row.ids.size());
    const int64_t shared =
        group.rows.empty()
            ? row.most_shared
            : std::min({group.shared, row.most_shared, common_length(rows[group.rows.back()].ids, row.ids)});
    if (!group.rows.empty() && (shared < kLeastShared || saved(shared, group.rows.size() + 1) <
                                                             saved(group.shared, group.rows.size()))) {
      close(group, tokens);
      group = {row.most_shared, {index}};
      tokens = length;
      continue;
    }
    group.shared = shared;
    group.rows.push_back(index);
    tokens += length;
  }
  if (!group.rows.empty()) close(group, tokens);
  if (!alone.rows.empty()) groups.push_back(std::move(alone));
  return groups;
}

}  // namespace tongueforge::score
