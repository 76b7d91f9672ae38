#include "merge/methods/draws.h"

#include <algorithm>
#include <iterator>

#include "core/random.h"

namespace tongueforge::merge {
namespace {

constexpr uint64_t kMarkEvery = uint64_t{1} << 26;  // numbers between marks, which take 5 KB each

float unit(uint64_t bits24) { return static_cast<float>(bits24) * 0x1p-24f; }

/// FNV-1a, then one step of SplitMix64 to spread it.
uint64_t hash(uint64_t seed, std::string_view text) {
  uint64_t value = 0xcbf29ce484222325u;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return Random(seed ^ Random(value).next()).next();
}

}  // namespace

CounterDraws::CounterDraws(uint64_t seed, std::string_view tensor) : key_(hash(seed, tensor)) {}

void CounterDraws::fill(size_t input, float* out, size_t count) {
  Random random(Random(key_ + input).next());  // its n-th number is a function of n alone
  for (size_t i = 0; i < count; ++i) out[i] = unit(random.next() >> 40);
}

void TorchDraws::fill(size_t, float* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = unit(engine_() & 0xffffffu);
}

TorchSequence::TorchSequence(uint64_t seed)
    : marks_{{0, std::mt19937(static_cast<std::mt19937::result_type>(seed & 0xffffffffu))}} {}

TorchDraws TorchSequence::at(uint64_t position, const std::function<void()>& check) {
  while (marks_.back().position + kMarkEvery <= position) {
    check();
    Mark next = marks_.back();
    next.engine.discard(kMarkEvery);
    next.position += kMarkEvery;
    marks_.push_back(next);
  }
  const auto after = std::upper_bound(marks_.begin(), marks_.end(), position,
                                      [](uint64_t at, const Mark& mark) { return at < mark.position; });
  const Mark& before = *std::prev(after);
  std::mt19937 engine = before.engine;
  engine.discard(position - before.position);
  return TorchDraws(engine);
}

}  // namespace tongueforge::merge
