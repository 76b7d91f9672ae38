// Bytes that may be UTF-8, and what is shown of them.
#include "checkpoint/utf8.h"

#include "bytes.h"
#include "checkpoint/json_text.h"
#include "target.h"
#include "targets.h"

namespace tongueforge::fuzz {
namespace {

uint32_t code_point(std::string_view character) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(character[i])); };
  if (character.size() == 1) return byte(0);
  uint32_t value = byte(0) & (0xffu >> (character.size() + 1));
  for (size_t i = 1; i < character.size(); i++) value = value << 6 | (byte(i) & 0x3f);
  return value;
}

bool run(std::string_view input) {
  bool all = true;
  for (size_t at = 0; at < input.size();) {
    const size_t length = checkpoint::utf8_length(input, at);
    require(length <= 4 && at + length <= input.size(), "a character ends in the text");
    all &= length > 0;
    if (length > 0) {
      const std::string_view character = input.substr(at, length);
      const uint32_t code = code_point(character);
      require(code < 0x110000 && (code < 0xd800 || code > 0xdfff), "a character is one of Unicode");
      std::string written;
      checkpoint::append_utf8(written, code);
      require(written == character, "a character is written as it was read");
    }
    at += std::max<size_t>(length, 1);
  }
  const std::string shown = checkpoint::printable(input);
  for (const char c : shown)
    require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "nothing that is shown controls");
  require(shown.size() <= 6 * 200 + 3, "what is shown is short");
  return all;
}

std::string fresh(Dice& dice) {
  std::string text;
  for (size_t count = dice.below(dice.one_in(8) ? 300 : 12); count > 0; count--) {
    const auto code = static_cast<uint32_t>(dice.below(0x110000) >> dice.below(21));
    if (code < 0xd800 || code > 0xdfff) checkpoint::append_utf8(text, code);
  }
  if (dice.one_in(3)) mutate_bytes(text, dice);
  return text;
}

void mutate(std::string& input, Dice& dice, const ByteMutator& bytes) {
  if (dice.one_in(16)) input = fresh(dice);
  bytes(input);
}

size_t memory(size_t input_bytes) { return 16 * input_bytes + (1 << 20); }

}  // namespace

const Target utf8 = {"utf8", run, fresh, mutate, memory};

}  // namespace tongueforge::fuzz
