// What a fuzz target is: a parser of ours that is given any bytes, what it has to hold to, and how its inputs
// are made. One file a target in targets/, a row in targets.h. The same targets run under libFuzzer
// (driver.cpp), over the committed corpus in `npm test` (replay_test.cpp) and in the programs beside them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/error.h"
#include "dice.h"

namespace tongueforge::fuzz {

/// A law that does not hold: never the fault of an input.
struct Broken : std::logic_error {
  using std::logic_error::logic_error;
};

inline void require(bool holds, const char* law) {
  if (!holds) throw Broken(law);
}

/// What every refusal is: of the code of its format, with the file, the place and the reason in its details,
/// and a message that may be shown.
inline void require_refusal(const Error& error, const char* code) {
  require(error.code() == code, "a refusal has the code of its format");
  for (const char* wanted : {"file", "offset", "reason"}) {
    const auto is_wanted = [&](const auto& detail) { return detail.first == wanted; };
    require(std::any_of(error.details().begin(), error.details().end(), is_wanted),
            "a refusal tells file, offset and reason");
  }
  for (const char c : error.message())
    require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "a message holds no control characters");
}

/// Changes a few bytes of an input and its length, in place; libFuzzer's own under libFuzzer.
using ByteMutator = std::function<void(std::string& bytes)>;

/// Longest input that is made.
inline constexpr size_t kMaxInput = 8192;

struct Target {
  const char* name;

  /// Gives the input to the parser, and looks at what it makes of it. A refusal by tongueforge::Error is an
  /// answer; every other exception, and Broken, is a failure. @return whether the input was accepted
  bool (*run)(std::string_view input);

  /// An input that the parser accepts, or nearly so, made from nothing.
  std::string (*fresh)(Dice& dice);

  /// Changes an input so that it gets beyond the first checks: lengths, sums and offsets are put right
  /// mostly.
  void (*mutate)(std::string& input, Dice& dice, const ByteMutator& bytes);

  /// Most bytes that may be held at one time for an input of so many bytes.
  size_t (*memory)(size_t input_bytes);
};

}  // namespace tongueforge::fuzz
