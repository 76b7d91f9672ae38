// Full pages of sequences, found again by the tokens that they hold and all that came before: what two
// prompts begin with alike, a system prompt say, is computed once (as RadixAttention, Zheng et al. 2024,
// arXiv 2312.07104, by pages).
//
// A kept page is a node; its key is the node before it and its own tokens, compared in full: no two texts can
// be taken for each other. The first page of a sequence hangs on a root, the number of the weights that made
// it. Kept pages hold one reference of Pages; where it is the only one, the page can be given up, the one
// that was used longest ago first.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "serve/pages.h"

namespace tongueforge::serve {

class Prefixes {
 public:
  /// Pages of `page_size` tokens. Roots are numbers below kFirstNode.
  Prefixes(Pages& pages, int64_t page_size) : pages_(pages), page_size_(page_size) {}
  static constexpr uint64_t kFirstNode = uint64_t{1} << 32;

  struct Found {
    std::vector<int32_t> pages;   // in order, with a reference each for the finder
    std::vector<uint64_t> nodes;  // of these pages
  };
  /// The longest run of kept pages that the tokens begin with, `most` pages at most.
  Found find(uint64_t root, std::span<const int32_t> tokens, int64_t most);

  struct Kept {
    uint64_t node;
    int32_t page;
  };
  /// The kept page of these tokens behind a node or root, with a reference for the finder.
  std::optional<Kept> next(uint64_t before, std::span<const int32_t> tokens);
  /// Keeps a page of tokens behind a node or root. The caller's reference stays his, on the page that
  /// comes back: where the same tokens are kept already, theirs.
  Kept keep(uint64_t before, std::span<const int32_t> tokens, int32_t page);

  /// Nodes of a sequence in order: they are the newest used, the first of them last.
  void touch(std::span<const uint64_t> nodes);

  /// Gives up as many pages that nobody else holds as it takes to have so many free; none where that is not
  /// enough.
  bool make_free(int64_t count);

  int64_t size() const { return static_cast<int64_t>(nodes_.size()); }

 private:
  using Key = std::pair<uint64_t, std::vector<int32_t>>;
  using Order = std::list<uint64_t>;  // nodes, that used longest ago first
  struct Node {
    int32_t page;
    Order::iterator place;
    std::map<Key, uint64_t>::iterator key;
  };

  void give_up(uint64_t node);

  Pages& pages_;
  int64_t page_size_;
  uint64_t next_ = kFirstNode;
  std::map<Key, uint64_t> by_key_;
  std::unordered_map<uint64_t, Node> nodes_;
  Order order_;
};

}  // namespace tongueforge::serve
