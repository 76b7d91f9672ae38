#include "serve/prefixes.h"

#include <ranges>

namespace tongueforge::serve {

Prefixes::Found Prefixes::find(uint64_t root, std::span<const int32_t> tokens, int64_t most) {
  Found found;
  const auto size = static_cast<size_t>(page_size_);
  uint64_t before = root;
  for (size_t at = 0; at + size <= tokens.size() && static_cast<int64_t>(found.nodes.size()) < most;
       at += size) {
    const auto kept = next(before, tokens.subspan(at, size));
    if (!kept) break;
    before = kept->node;
    found.nodes.push_back(kept->node);
    found.pages.push_back(kept->page);
  }
  return found;
}

std::optional<Prefixes::Kept> Prefixes::next(uint64_t before, std::span<const int32_t> tokens) {
  const auto it = by_key_.find({before, {tokens.begin(), tokens.end()}});
  if (it == by_key_.end()) return std::nullopt;
  const int32_t page = nodes_.at(it->second).page;
  pages_.share(page);
  return Kept{it->second, page};
}

Prefixes::Kept Prefixes::keep(uint64_t before, std::span<const int32_t> tokens, int32_t page) {
  const auto [key, is_new] = by_key_.try_emplace({before, {tokens.begin(), tokens.end()}}, next_);
  if (!is_new) {
    const int32_t kept = nodes_.at(key->second).page;
    if (kept != page) pages_.share(kept), pages_.release(page);
    return {key->second, kept};
  }
  nodes_[next_] = {page, order_.insert(order_.end(), next_), key};
  pages_.share(page);
  return {next_++, page};
}

void Prefixes::touch(std::span<const uint64_t> nodes) {
  for (const uint64_t node : std::views::reverse(nodes))
    order_.splice(order_.end(), order_, nodes_.at(node).place);
}

bool Prefixes::make_free(int64_t count) {
  std::vector<uint64_t> given_up;
  const auto missing = [&] { return count - pages_.free() - static_cast<int64_t>(given_up.size()); };
  for (auto it = order_.begin(); it != order_.end() && missing() > 0; ++it)
    if (pages_.references(nodes_.at(*it).page) == 1) given_up.push_back(*it);
  if (missing() > 0) return false;
  for (const uint64_t node : given_up) give_up(node);
  return true;
}

void Prefixes::give_up(uint64_t node) {
  const auto it = nodes_.find(node);
  pages_.release(it->second.page);
  by_key_.erase(it->second.key);
  order_.erase(it->second.place);
  nodes_.erase(it);
}

}  // namespace tongueforge::serve
