// Random numbers of the merge methods. golden_test compares torch's draws with torch itself.
#include "fixtures.h"

using namespace tongueforge;
using namespace tongueforge::testing;

namespace {

std::vector<float> numbers(merge::Draws& draws, size_t input, size_t count) {
  std::vector<float> result(count);
  draws.fill(input, result.data(), count);
  return result;
}

}  // namespace

TEST_CASE("torch's sequence is the same from any place in it, asked for in any order") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const uint64_t seed = random.engine();
  merge::TorchSequence sequence(seed);
  merge::TorchDraws whole = sequence.at(0);
  const auto all = numbers(whole, 0, 5000);
  for (int round = 0; round < 20; ++round) {
    const uint64_t place = random.below(4000);
    merge::TorchDraws draws = sequence.at(place);
    CHECK(numbers(draws, 0, 100) ==
          std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(place),
                             all.begin() + static_cast<std::ptrdiff_t>(place) + 100));
  }
}

TEST_CASE("far in torch's sequence, beyond a mark, a place is the same as when all before it was drawn") {
  constexpr uint64_t kFar = (uint64_t{1} << 26) + 12345;
  std::mt19937 engine(7);
  engine.discard(kFar);
  merge::TorchSequence sequence(7);
  merge::TorchDraws far = sequence.at(kFar), near = sequence.at(3);
  CHECK(numbers(far, 0, 1)[0] == static_cast<float>(engine() & 0xffffffu) * 0x1p-24f);
  std::mt19937 again(7);
  again.discard(3);
  CHECK(numbers(near, 0, 1)[0] == static_cast<float>(again() & 0xffffffu) * 0x1p-24f);
}

TEST_CASE("the default mode's numbers are even, and others for each seed, tensor and input") {
  Seeded random;
  INFO("TONGUEFORGE_SEED=", random.seed);
  const uint64_t seed = random.engine();
  merge::CounterDraws draws(seed, "a.weight"), other_tensor(seed, "b.weight"),
      other_seed(seed + 1, "a.weight");
  constexpr size_t kCount = 100'000;
  const auto first = numbers(draws, 0, kCount);
  double sum = 0;
  for (const float number : first) {
    REQUIRE((number >= 0 && number < 1));
    sum += number;
  }
  CHECK(std::fabs(sum / kCount - 0.5) < 5 * std::sqrt(1.0 / 12 / kCount));
  CHECK(numbers(draws, 0, kCount) == first);
  CHECK(numbers(draws, 1, kCount) != first);
  CHECK(numbers(other_tensor, 0, kCount) != first);
  CHECK(numbers(other_seed, 0, kCount) != first);
}

TEST_CASE("a tensor needs as many draws as it has elements, for each input that drops some") {
  const float nothing = 0;
  const std::vector<merge::MethodInput> inputs = {
      {&nothing, {{"density", 0.5}}}, {&nothing, {}}, {&nothing, {{"density", 0.9}}}};
  CHECK(merge::draws_needed(merge::method_named("dare_ties"), inputs, 1000) == 2000);
  CHECK(merge::draws_needed(merge::method_named("della"), inputs, uint64_t{1} << 40) == uint64_t{1} << 41);
  CHECK(merge::draws_needed(merge::method_named("ties"), inputs, 1000) == 0);
}
