// Little-endian numbers in a text of bytes, and a mutator of bytes for programs without libFuzzer.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "dice.h"
#include "target.h"

namespace tongueforge::fuzz {

inline std::string little(uint64_t number, size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes && i < 8; i++) out[i] = static_cast<char>(number >> (8 * i));
  return out;
}

/// The number at `at`; what lies behind the end counts as 0.
inline uint64_t number_at(std::string_view bytes, size_t at, size_t width) {
  uint64_t number = 0;
  for (size_t i = 0; i < width && at + i < bytes.size(); i++)
    number |= uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return number;
}

/// Overwrites as much of [at, at + width) as there is.
inline void put_number(std::string& bytes, size_t at, uint64_t number, size_t width) {
  for (size_t i = 0; i < width && at + i < bytes.size(); i++)
    bytes[at + i] = static_cast<char>(number >> (8 * i));
}

/// A number somewhere becomes one at which arithmetic goes wrong.
inline void put_edge(std::string& bytes, Dice& dice) {
  const size_t width = size_t{1} << dice.below(4);
  if (bytes.size() >= width) put_number(bytes, dice.below(bytes.size() - width + 1), dice.number(), width);
}

/// Flips, inserts, deletes and repeats a few bytes.
inline void mutate_bytes(std::string& bytes, Dice& dice) {
  const size_t at = dice.below(bytes.size() + 1), count = 1 + dice.below(dice.one_in(8) ? 64 : 4);
  switch (dice.below(5)) {
    case 0:
      if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << dice.below(8)));
      break;
    case 1:
      bytes.insert(at, dice.bytes(count));
      break;
    case 2:
      if (at < bytes.size()) bytes.erase(at, count);
      break;
    case 3:
      bytes.insert(dice.below(bytes.size() + 1), bytes.substr(at, count));
      break;
    default:
      put_edge(bytes, dice);
  }
}

inline ByteMutator byte_mutator(Dice& dice) {
  return [&dice](std::string& bytes) { mutate_bytes(bytes, dice); };
}

}  // namespace tongueforge::fuzz
