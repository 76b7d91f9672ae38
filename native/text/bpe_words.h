// The words of a corpus as rows of token ids that become shorter as pairs are merged.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "text/pair_map.h"

namespace tongueforge::text {

/// A pair, and what it becomes.
struct MergeRule {
  int32_t left, right, result;
};

class BpeWords {
 public:
  /// `ids`: the rows end to end; `lengths`: ids of each row; `counts`: how often each word stands in the
  /// text.
  BpeWords(std::vector<int32_t> ids, const std::vector<int32_t>& lengths, std::vector<int64_t> counts)
      : ids_(std::move(ids)), rows_(lengths.size()), counts_(std::move(counts)) {
    size_t begin = 0;
    for (size_t i = 0; i < rows_.size(); i++) {
      rows_[i] = {begin, static_cast<uint32_t>(lengths[i])};
      begin += rows_[i].length;
    }
  }

  size_t size() const { return rows_.size(); }
  int64_t count(size_t word) const { return counts_[word]; }
  uint32_t length(size_t word) const { return rows_[word].length; }
  const int32_t* ids(size_t word) const { return ids_.data() + rows_[word].begin; }

  /// Merges a pair in one word, from left to right. Calls change(pair, -1) for every neighbourhood that ends
  /// and change(pair, +1) for every one that begins. Returns how many pairs it merged.
  template <class Change>
  uint32_t merge(size_t word, const MergeRule& rule, const Change& change) {
    Row& row = rows_[word];
    int32_t* ids = ids_.data() + row.begin;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < row.length;) {
      if (ids[i] != rule.left || i + 1 == row.length || ids[i + 1] != rule.right) {
        ids[kept++] = ids[i++];
        continue;
      }
      i += 2;
      change(pair_of(rule.left, rule.right), -1);
      if (kept > 0) {
        change(pair_of(ids[kept - 1], rule.left), -1);
        change(pair_of(ids[kept - 1], rule.result), +1);
      }
      ids[kept++] = rule.result;
      if (i < row.length) {
        change(pair_of(rule.right, ids[i]), -1);
        change(pair_of(rule.result, ids[i]), +1);
      }
    }
    const uint32_t merged = row.length - kept;
    row.length = kept;
    return merged;
  }

 private:
  struct Row {
    size_t begin;
    uint32_t length;
  };
  std::vector<int32_t> ids_;
  std::vector<Row> rows_;
  std::vector<int64_t> counts_;
};

}  // namespace tongueforge::text
