// A small seeded generator for sampling tokens: SplitMix64 (Steele, Lea & Flood 2014). Its numbers are part
// of what "same seed, same text" means, so they do not come from a library that may change them.
#pragma once
#include <cstdint>

#include "core/anywhere.h"

namespace tongueforge {

class Random {
 public:
  TONGUEFORGE_ANYWHERE explicit Random(uint64_t seed) : state_(seed) {}

  TONGUEFORGE_ANYWHERE uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  uint64_t state_;
};

}  // namespace tongueforge
