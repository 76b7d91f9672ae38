// The lowest of many numbers by absolute value, exactly: no sampling, and of equal ones those that come
// first.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace tongueforge::kernels {

/// A number whose order is that of |value|: a NaN is higher than all else. Below 2^31.
inline uint32_t magnitude_key(float value) { return std::bit_cast<uint32_t>(value) & 0x7fffffffu; }

/// Keys go that are lower, and the first `ties` of those that are the same.
struct Cut {
  uint32_t key = 0;
  int64_t ties = 0;

  /// Whether the next key in order goes.
  bool takes(uint32_t its) {
    if (its != key) return its < key;
    return ties-- > 0;
  }
};

namespace detail {

constexpr int64_t kFew = 16384;  // below it a copy of the keys is put in order faster than they are counted
constexpr size_t kHalves = 65536;

template <class EachKey>
Cut cut_by_order(int64_t size, int64_t count, const EachKey& each_key) {
  std::vector<uint32_t> keys(static_cast<size_t>(size));
  each_key([next = keys.data()](uint32_t key) mutable { *next++ = key; });
  const auto last = keys.begin() + (count - 1);
  std::nth_element(keys.begin(), last, keys.end());
  // Those before it are not higher: its equals among them go too.
  return {*last, 1 + std::count(keys.begin(), last, *last)};
}

// The first place, from the lowest, at which `left` is reached; `left` becomes what is still to go within it.
inline uint32_t reach(const std::vector<int64_t>& counts, int64_t& left) {
  size_t place = 0;
  while (counts[place] < left) left -= counts[place++];
  return static_cast<uint32_t>(place);
}

// How often each upper half occurs, and then each lower half under the upper half in question.
template <class EachKey>
Cut cut_by_counts(int64_t count, const EachKey& each_key) {
  std::vector<int64_t> counts(kHalves, 0);
  each_key([to = counts.data()](uint32_t key) { to[key >> 16]++; });
  const uint32_t upper = reach(counts, count);
  std::fill(counts.begin(), counts.end(), 0);
  each_key([upper, to = counts.data()](uint32_t key) {
    if (key >> 16 == upper) to[key & 0xffffu]++;
  });
  const uint32_t lower = reach(counts, count);
  return {upper << 16 | lower, count};
}

}  // namespace detail

/// The cut that `count` of `size` keys fall under, 0 <= count <= size. each_key(visit) calls visit(key) for
/// each of them; it may be asked several times, and is to give the same ones.
template <class EachKey>
Cut cut_of(int64_t size, int64_t count, const EachKey& each_key) {
  if (count <= 0) return {};
  return size < detail::kFew ? detail::cut_by_order(size, count, each_key)
                             : detail::cut_by_counts(count, each_key);
}

/// Of the magnitude_key of each number.
inline Cut cut_of(std::span<const float> numbers, int64_t count) {
  return cut_of(static_cast<int64_t>(numbers.size()), count, [&](auto&& visit) {
    for (const float number : numbers) visit(magnitude_key(number));
  });
}

}  // namespace tongueforge::kernels
