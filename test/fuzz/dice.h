// Choices out of a seed: the same seed, the same inputs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace tongueforge::fuzz {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}

  /// SplitMix64: one is made for every input, so its start must cost nothing.
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// Of 0..bound-1; 0 where there is nothing to choose.
  size_t below(size_t bound) { return bound == 0 ? 0 : next() % bound; }
  bool one_in(size_t bound) { return below(bound) == 0; }
  std::string_view of(std::initializer_list<std::string_view> all) { return all.begin()[below(all.size())]; }

  std::string bytes(size_t count) {
    std::string out(count, '\0');
    for (char& byte : out) byte = static_cast<char>(next());
    return out;
  }

  /// Numbers at which arithmetic goes wrong.
  uint64_t number() {
    constexpr uint64_t kEdges[] = {0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 65, 127, 128, 255, 256, 1 << 16};
    constexpr int kPowers[] = {31, 32, 33, 53, 61, 62, 63};
    const auto near_power = [&] { return (uint64_t{1} << kPowers[below(7)]) + below(3) - 1; };
    return one_in(3) ? near_power() : one_in(20) ? ~uint64_t{0} - below(9) : kEdges[below(16)];
  }

 private:
  uint64_t state_;
};

}  // namespace tongueforge::fuzz
