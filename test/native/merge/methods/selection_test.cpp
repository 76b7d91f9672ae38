#include "merge/methods/selection.h"

#include <numeric>

#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;

namespace {

std::vector<size_t> chosen(const std::vector<float>& numbers, size_t count) {
  std::vector<size_t> result;
  const auto mask = merge::mask_of_largest(numbers.data(), numbers.size(), count);
  for (size_t i = 0; i < mask.size(); ++i)
    if (mask[i]) result.push_back(i);
  return result;
}

}  // namespace

TEST_CASE("the largest are those of a stable sort, for every count and with many equal ones") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  for (const size_t size : {size_t{1}, size_t{2}, size_t{40}, size_t{257}}) {
    std::vector<float> numbers(size);
    for (float& number : numbers)
      number = random.below(2) ? static_cast<float>(random.below(4)) : std::fabs(normal(random)) * 1e-30f;
    std::vector<size_t> order(size);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return numbers[a] > numbers[b]; });
    for (size_t count = 0; count <= size; ++count) {
      std::vector<size_t> expected(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
      std::sort(expected.begin(), expected.end());
      REQUIRE(chosen(numbers, count) == expected);
    }
    for (size_t rank = 0; rank < size; ++rank)
      REQUIRE(merge::ranked(numbers.data(), size, rank) == numbers[order[size - 1 - rank]]);
  }
}

TEST_CASE("more than there are is all, none is none, and a NaN counts as the largest") {
  const std::vector<float> numbers = {1, std::nanf(""), 3, 0};
  CHECK(chosen(numbers, 9).size() == 4);
  CHECK(chosen(numbers, 0).empty());
  CHECK(chosen(numbers, 2) == std::vector<size_t>{1, 2});
}
