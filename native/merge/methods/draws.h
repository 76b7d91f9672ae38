// Random numbers for methods that drop entries by chance (DARE, DELLA).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string_view>
#include <vector>

namespace tongueforge::merge {

/// Numbers in [0, 1), multiples of 2^-24, for the elements of one tensor. A method asks once for each input
/// that draws, in their order.
class Draws {
 public:
  virtual ~Draws() = default;
  /// out[0, count): for the elements of input number `input`.
  virtual void fill(size_t input, float* out, size_t count) = 0;
};

/// A number for each (seed, tensor, input, element): neither the order of tensors nor the other inputs nor
/// threads change it. SplitMix64 at the element's place of the sequence that the other three seed.
class CounterDraws final : public Draws {
 public:
  CounterDraws(uint64_t seed, std::string_view tensor);
  void fill(size_t input, float* out, size_t count) override;

 private:
  uint64_t key_;
};

/// The sequence of torch's CPU generator, from which mergekit draws for one tensor after the other in the
/// lexicographic order of their names: torch.bernoulli takes one number of 32 bits an element and keeps the
/// entry if its lower 24 bits, over 2^24, are below the probability.
class TorchDraws final : public Draws {
 public:
  explicit TorchDraws(std::mt19937 engine) : engine_(engine) {}
  void fill(size_t input, float* out, size_t count) override;

 private:
  std::mt19937 engine_;
};

/// Finds any place of torch's sequence for a seed (of which it uses 32 bits): for tensors that several
/// threads merge, and for work that is resumed. Passing over a number costs about a nanosecond, and it keeps
/// marks on the way, so that asking for places in ascending order passes over each number once. Not
/// thread-safe.
class TorchSequence {
 public:
  explicit TorchSequence(uint64_t seed);
  /// Draws that begin with number `position` of the sequence. `check` is called between marks, and may throw.
  TorchDraws at(uint64_t position, const std::function<void()>& check = [] {});

 private:
  struct Mark {
    uint64_t position;
    std::mt19937 engine;
  };
  std::vector<Mark> marks_;  // ascending
};

}  // namespace tongueforge::merge
