// A hash map from pairs of token ids to small values: open addressing, growing, nothing is ever taken out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tongueforge::text {

/// Two neighbouring tokens, the left one in the upper half: pairs in order of their ids are numbers in order.
using Pair = uint64_t;

inline Pair pair_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}
inline int32_t left_of(Pair pair) { return static_cast<int32_t>(pair >> 32); }
inline int32_t right_of(Pair pair) { return static_cast<int32_t>(pair & 0xffffffffu); }

template <class T>
class PairMap {
 public:
  /// The value of a pair, made if it is not there. Valid until the next call.
  T& operator[](Pair pair) {
    if ((size_ + 1) * 3 > slots_.size() * 2) grow();
    Slot& slot = slot_of(pair);
    if (slot.pair == kEmpty) {
      slot.pair = pair;
      size_++;
    }
    return slot.value;
  }

  size_t size() const { return size_; }

  /// Calls visit(pair, value) for all, in no order that means anything.
  template <class Visit>
  void for_each(const Visit& visit) {
    for (Slot& slot : slots_)
      if (slot.pair != kEmpty) visit(slot.pair, slot.value);
  }

 private:
  static constexpr Pair kEmpty = ~Pair{0};  // ids are not negative
  struct Slot {
    Pair pair = kEmpty;
    T value{};
  };

  // The finalizer of SplitMix64: ids are small numbers, whose high bits say nothing.
  static uint64_t hash(Pair pair) {
    pair = (pair ^ (pair >> 30)) * 0xbf58476d1ce4e5b9u;
    pair = (pair ^ (pair >> 27)) * 0x94d049bb133111ebu;
    return pair ^ (pair >> 31);
  }

  Slot& slot_of(Pair pair) {
    const size_t mask = slots_.size() - 1;
    size_t i = hash(pair) & mask;
    while (slots_[i].pair != kEmpty && slots_[i].pair != pair) i = (i + 1) & mask;
    return slots_[i];
  }

  void grow() {
    std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old)
      if (slot.pair != kEmpty) slot_of(slot.pair) = std::move(slot);
  }

  std::vector<Slot> slots_;  // their number is a power of two
  size_t size_ = 0;
};

}  // namespace tongueforge::text
