#include "checkpoint/pickle_check.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "checkpoint/json_text.h"
#include "checkpoint/pickle.h"
#include "checkpoint/pickle_refusal.h"

namespace tongueforge::checkpoint {
namespace {

struct Step {
  PickleValue value;
  size_t depth;
};

template <class Key>
bool any_twice(std::vector<Key>& keys) {
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

void check_keys(const PickleTree& tree, const std::vector<PickleValue>& pairs) {
  std::vector<std::string_view> texts;
  std::vector<int64_t> integers;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    const PickleValue key = pairs[i];
    if (key.is(PickleKind::text)) texts.push_back(tree.text(key));
    if (key.is(PickleKind::integer)) integers.push_back(key.bits);
    const bool plain =
        key.kind <= PickleKind::bytes || key.is(PickleKind::tuple) || key.is(PickleKind::dtype);
    if (!plain && !key.is(PickleKind::left_out)) throw PickleFault{"key", "expected plain keys in a dict"};
  }
  if (any_twice(texts) || any_twice(integers))
    throw PickleFault{"key_twice", "expected every key of a dict once"};
}

}  // namespace

void check_tree(const PickleTree& tree) {
  std::vector<bool> keys_checked(tree.sequences.size());
  std::vector<Step> to_do = {{tree.root, 0}};
  size_t values = 0;
  while (!to_do.empty()) {
    const Step step = to_do.back();
    to_do.pop_back();
    if (!step.value.is_sequence()) continue;
    const auto& items = tree.items(step.value);
    values += items.size() + 1;
    if (step.depth == kMaxPickleDepth)
      throw PickleFault{"too_deep", str("expected containers at most ", kMaxPickleDepth, " deep")};
    if (values > kMaxPickleValues)
      throw PickleFault{"too_large",
                        str("expected at most ", kMaxPickleValues, " values with shared parts repeated")};
    if (step.value.is_dict() && !keys_checked[step.value.index()]) {
      check_keys(tree, items);
      keys_checked[step.value.index()] = true;
    }
    for (const PickleValue item : items)
      if (item.is_sequence()) to_do.push_back({item, step.depth + 1});
  }
}

}  // namespace tongueforge::checkpoint
