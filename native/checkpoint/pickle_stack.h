// What the machine of a pickle works on: a stack with marks, and the memo of values that come again.
#pragma once
#include <cstdint>
#include <vector>

#include "checkpoint/pickle_refusal.h"
#include "checkpoint/pickle_tree.h"

namespace tongueforge::checkpoint {

class PickleStack {
 public:
  void push(PickleValue value) { values_.push_back(value); }
  void push(PickleKind kind, int64_t bits = 0) { values_.push_back({kind, bits}); }
  void mark() { marks_.push_back(values_.size()); }

  /// The value on top, which must stand above the last mark. @throws PickleFault as all of these
  PickleValue top() const {
    if (values_.size() <= (marks_.empty() ? 0 : marks_.back()))
      throw PickleFault{"stack", "expected another value on the stack"};
    return values_.back();
  }

  PickleValue pop() {
    const PickleValue value = top();
    values_.pop_back();
    return value;
  }

  /// The last `count` values, in the order in which they were pushed.
  std::vector<PickleValue> pop(size_t count) {
    std::vector<PickleValue> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  /// What was pushed since the last mark, which goes.
  std::vector<PickleValue> pop_to_mark() {
    if (marks_.empty()) throw PickleFault{"mark", "expected a mark on the stack"};
    const auto begin = values_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleValue> items(begin, values_.end());
    values_.erase(begin, values_.end());
    marks_.pop_back();
    return items;
  }

  /// The one value that is left at the end.
  PickleValue last() const {
    if (values_.size() != 1 || !marks_.empty()) throw PickleFault{"stack", "expected one value at the end"};
    return values_.back();
  }

  /// Remembers the value on top. Picklers count up from 0, so a larger number is an attack on the memory of
  /// whoever believes it.
  void put(uint64_t index) {
    if (index > memo_.size())
      throw PickleFault{"memo", str("expected memo ", memo_.size(), " at most, received ", index)};
    const PickleValue value = top();
    if (index == memo_.size())
      memo_.push_back(value);
    else
      memo_[index] = value;
  }
  void put_next() { put(memo_.size()); }

  void get(uint64_t index) {
    if (index >= memo_.size())
      throw PickleFault{"memo", str("expected one of ", memo_.size(), " memos, received ", index)};
    push(memo_[index]);
  }

 private:
  std::vector<PickleValue> values_, memo_;
  std::vector<size_t> marks_;
};

}  // namespace tongueforge::checkpoint
