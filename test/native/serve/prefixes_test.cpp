#include "serve/prefixes.h"

#include <map>

#include "core/error.h"
#include "core/random.h"
#include "doctest.h"

using namespace tongueforge;
using serve::Pages;
using serve::Prefixes;

TEST_CASE("pages come and go, and are free when the last reference is given back") {
  Pages pages(3);
  std::vector<int32_t> taken;
  pages.take(3, taken);
  CHECK(taken == std::vector<int32_t>{0, 1, 2});
  CHECK_THROWS_AS(pages.take(1, taken), Error);
  CHECK(taken.size() == 3);
  pages.share(1);
  pages.release(1);
  CHECK(pages.free() == 0);
  pages.release(1);
  CHECK(pages.free() == 1);
  CHECK_THROWS_AS(pages.release(1), Error);
}

namespace {

constexpr int64_t kSize = 2;

/// Keeps all full pages of a text as a sequence that computes it would, and gives its references back.
std::vector<int32_t> keep_text(Pages& pages, Prefixes& prefixes, uint64_t root,
                               const std::vector<int32_t>& text) {
  std::vector<int32_t> held;
  std::vector<uint64_t> nodes;
  pages.take(static_cast<int64_t>(text.size()) / kSize, held);
  for (size_t i = 0; i < held.size(); i++) {
    const auto kept =
        prefixes.keep(i == 0 ? root : nodes.back(), std::span(text).subspan(i * kSize, kSize), held[i]);
    nodes.push_back(kept.node);
    held[i] = kept.page;
  }
  prefixes.touch(nodes);
  for (const int32_t page : held) pages.release(page);
  return held;
}

}  // namespace

TEST_CASE("a text finds the pages of another that begins like it, of the same weights alone") {
  Pages pages(10);
  Prefixes prefixes(pages, kSize);
  const auto held = keep_text(pages, prefixes, 1, {1, 2, 3, 4, 5, 6});
  const auto found = [&](uint64_t root, const std::vector<int32_t>& text, int64_t most) {
    const auto result = prefixes.find(root, text, most);
    for (const int32_t page : result.pages) pages.release(page);
    return result.pages;
  };
  CHECK(found(1, {1, 2, 3, 4, 9, 9}, 9) == std::vector<int32_t>{held[0], held[1]});
  CHECK(found(1, {1, 2, 3, 4, 5, 6, 7}, 2).size() == 2);
  CHECK(found(1, {1, 2, 3}, 9).size() == 1);
  CHECK(found(1, {3, 4, 5, 6}, 9).empty());  // the same tokens, but not at the beginning
  CHECK(found(2, {1, 2, 3, 4}, 9).empty());
}

TEST_CASE("the same text is kept once: who comes second gets the page of the first") {
  Pages pages(4);
  Prefixes prefixes(pages, kSize);
  const auto first = keep_text(pages, prefixes, 1, {1, 2, 3, 4}),
             second = keep_text(pages, prefixes, 1, {1, 2, 3, 4});
  CHECK(first == second);
  CHECK(pages.free() == 2);
}

TEST_CASE("pages used longest ago are given up first, later ones of a text before its beginning") {
  Pages pages(4);
  Prefixes prefixes(pages, kSize);
  keep_text(pages, prefixes, 1, {1, 2, 3, 4});
  keep_text(pages, prefixes, 1, {5, 6, 7, 8});
  const auto in_use = prefixes.find(1, std::vector<int32_t>{1, 2}, 1);
  CHECK(prefixes.make_free(1));  // 3 4
  CHECK(prefixes.find(1, std::vector<int32_t>{1, 2, 3, 4}, 2).pages.size() == 1);
  CHECK(prefixes.make_free(2));  // 7 8: 1 2 is in use
  CHECK(prefixes.find(1, std::vector<int32_t>{5, 6, 7, 8}, 2).pages.size() == 1);
  CHECK_FALSE(prefixes.make_free(3));
  CHECK(prefixes.size() == 2);  // in vain, nothing was given up
}

TEST_CASE("whatever is kept, found and given up, no page is lost and none is given to two texts") {
  for (uint64_t seed = 1; seed <= 40; seed++) {
    CAPTURE(seed);
    Random random(seed);
    const auto below = [&](uint64_t n) { return static_cast<int32_t>(random.next() % n); };
    Pages pages(12);
    Prefixes prefixes(pages, kSize);
    std::map<int32_t, std::vector<int32_t>> text_of;  // by page: all tokens up to its end
    for (int turn = 0; turn < 200; turn++) {
      std::vector<int32_t> text;
      for (int i = 0; i < 2 * (1 + below(4)); i++) text.push_back(below(2));
      auto found = prefixes.find(7, text, 9);
      for (size_t i = 0; i < found.pages.size(); i++)
        CHECK(text_of.at(found.pages[i]) ==
              std::vector<int32_t>(text.begin(), text.begin() + 2 * (static_cast<int>(i) + 1)));
      const auto missing =
          static_cast<int64_t>(text.size()) / kSize - static_cast<int64_t>(found.pages.size());
      REQUIRE(prefixes.make_free(missing));
      pages.take(missing, found.pages);
      for (size_t i = found.nodes.size(); i < found.pages.size(); i++) {
        text_of[found.pages[i]] = {text.begin(), text.begin() + 2 * (static_cast<int>(i) + 1)};
        const auto kept = prefixes.keep(i == 0 ? 7 : found.nodes.back(),
                                        std::span(text).subspan(i * kSize, kSize), found.pages[i]);
        found.nodes.push_back(kept.node);
        found.pages[i] = kept.page;
      }
      prefixes.touch(found.nodes);
      for (const int32_t page : found.pages) pages.release(page);
      CHECK(pages.free() + prefixes.size() == pages.count());
    }
    CHECK(prefixes.make_free(12));
    CHECK(prefixes.size() == 0);
  }
}
