// Rows of ids that begin alike: which of them are worth computing from a common beginning.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace tongueforge::score {

/// A row that a model reads, and how much of it may be read with others: at least its last token is its own.
struct PrefixedRow {
  std::span<const int32_t> ids;
  int64_t most_shared = 0;
};

/// Rows, by index, whose first `shared` tokens are the same; 0: rows that are read for themselves.
struct PrefixGroup {
  int64_t shared = 0;
  std::vector<int64_t> rows;
};

/// Every row in one group. Rows are grouped as they stand in the order of their ids, as long as a further row
/// saves tokens; a group that saves less than a third of its tokens is none.
std::vector<PrefixGroup> prefix_groups(const std::vector<PrefixedRow>& rows);

}  // namespace tongueforge::score
