// Cuts against sorting.
#include "kernels/selection.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "core/random.h"
#include "doctest.h"

using namespace tongueforge;
using kernels::cut_of;
using kernels::magnitude_key;

namespace {

// Numbers with many equals among them, so that ties matter.
std::vector<float> numbers_with_ties(size_t size, Random& random) {
  std::vector<float> all(size);
  for (auto& one : all) one = std::round(static_cast<float>(random.uniform() * 40 - 20)) * 0.37f;
  return all;
}

// Which go: the `count` smallest, stably sorted.
std::vector<uint8_t> sorted_choice(const std::vector<float>& numbers, int64_t count) {
  std::vector<size_t> order(numbers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return std::abs(numbers[a]) < std::abs(numbers[b]); });
  std::vector<uint8_t> chosen(numbers.size(), 0);
  for (int64_t i = 0; i < count; i++) chosen[order[static_cast<size_t>(i)]] = 1;
  return chosen;
}

std::vector<uint8_t> cut_choice(const std::vector<float>& numbers, int64_t count) {
  auto cut = cut_of(numbers, count);
  std::vector<uint8_t> chosen;
  for (const float number : numbers) chosen.push_back(cut.takes(magnitude_key(number)) ? 1 : 0);
  return chosen;
}

}  // namespace

TEST_CASE("a cut takes what sorting takes, ties in order, few numbers or many") {
  const uint64_t seed = 11;
  CAPTURE(seed);
  Random random(seed);
  for (const size_t size : {size_t{1}, size_t{2}, size_t{97}, size_t{16383}, size_t{16384}, size_t{300001}}) {
    const auto numbers = numbers_with_ties(size, random);
    const auto n = static_cast<int64_t>(size);
    for (const int64_t count : {int64_t{0}, n / 3, n / 2, n - 1, n}) {
      CAPTURE(size);
      CAPTURE(count);
      CHECK(cut_choice(numbers, count) == sorted_choice(numbers, count));
    }
  }
}

TEST_CASE("infinity is larger than numbers, NaN than infinity, and -0 is a zero") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> numbers = {-inf, 3, -nan, -0.0f, 1e-42f, -2, 0};
  CHECK(cut_choice(numbers, 5) == std::vector<uint8_t>{0, 1, 0, 1, 1, 1, 1});
  CHECK(cut_choice(numbers, 6) == std::vector<uint8_t>{1, 1, 0, 1, 1, 1, 1});
  CHECK(cut_choice(numbers, 1) == std::vector<uint8_t>{0, 0, 0, 1, 0, 0, 0});
}

TEST_CASE("keys of all 32 bits are cut as they are ordered, few or many") {
  const uint64_t seed = 17;
  CAPTURE(seed);
  Random random(seed);
  for (const size_t size : {size_t{50}, size_t{70000}}) {
    std::vector<uint32_t> keys(size);
    for (auto& key : keys) key = static_cast<uint32_t>(random.uniform() * 4294967296.0);
    auto sorted = keys;
    std::sort(sorted.begin(), sorted.end());
    const auto each_key = [&](auto&& visit) {
      for (const uint32_t key : keys) visit(key);
    };
    for (const size_t count : {size_t{1}, size / 3, size}) {
      CAPTURE(size);
      CAPTURE(count);
      const auto cut = cut_of(static_cast<int64_t>(size), static_cast<int64_t>(count), each_key);
      CHECK(cut.key == sorted[count - 1]);
      const auto below = std::lower_bound(sorted.begin(), sorted.end(), cut.key) - sorted.begin();
      CHECK(cut.ties == static_cast<int64_t>(count) - below);
    }
  }
}
