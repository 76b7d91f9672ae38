// The hash map of the BPE trainer against the one of the library.
#include "text/pair_map.h"

#include <unordered_map>

#include "bytes.h"
#include "target.h"
#include "targets.h"

namespace tongueforge::fuzz {
namespace {

/// Each five bytes: the ids of a pair, and what is added to its value.
bool run(std::string_view input) {
  text::PairMap<int64_t> map;
  std::unordered_map<text::Pair, int64_t> expected;
  for (size_t at = 0; at + 5 <= input.size(); at += 5) {
    const auto left = static_cast<int32_t>(number_at(input, at, 2)) << (input[at + 4] & 15);
    const auto right = static_cast<int32_t>(number_at(input, at + 2, 2));
    const text::Pair pair = text::pair_of(left, right);
    require(text::left_of(pair) == left && text::right_of(pair) == right, "a pair is made of its ids");
    map[pair] += input[at + 4];
    expected[pair] += input[at + 4];
  }
  size_t met = 0;
  map.for_each([&](text::Pair pair, int64_t value) {
    const auto found = expected.find(pair);
    require(found != expected.end() && found->second == value, "a pair has its own value");
    met++;
  });
  require(met == expected.size() && map.size() == met, "every pair is met once");
  return true;
}

std::string fresh(Dice& dice) { return dice.bytes(5 * dice.below(64)); }

void mutate(std::string& input, Dice& dice, const ByteMutator& bytes) {
  if (dice.one_in(32)) input = fresh(dice);
  bytes(input);
}

size_t memory(size_t input_bytes) { return 64 * input_bytes + (1 << 20); }

}  // namespace

const Target pair_map = {"pair_map", run, fresh, mutate, memory};

}  // namespace tongueforge::fuzz
