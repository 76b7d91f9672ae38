// Which vector instructions this machine has: asked at run time, so that one build runs everywhere.
#pragma once
#include <cstdint>

namespace tongueforge {

enum class Instructions : uint8_t {
  Any,     // what every machine of this architecture has
  Avx2,    // with FMA and F16C
  Avx512,  // F, BW, DQ and VL
};

/// The best of this machine. TONGUEFORGE_INSTRUCTIONS=any or avx2 asks for less: for tests and timings.
Instructions instructions();

}  // namespace tongueforge
