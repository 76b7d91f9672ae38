#include "checkpoint/utf8.h"

namespace tongueforge::checkpoint {
namespace {

unsigned char byte_at(std::string_view text, size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;  // 0 never continues a character
}

bool continues(unsigned char byte) { return (byte & 0xc0) == 0x80; }

}  // namespace

size_t utf8_length(std::string_view text, size_t at) {
  const unsigned char b0 = byte_at(text, at), b1 = byte_at(text, at + 1);
  if (at >= text.size()) return 0;
  if (b0 < 0x80) return 1;
  if (b0 < 0xc2 || b0 > 0xf4 || !continues(b1)) return 0;  // c0, c1: overlong
  if (b0 < 0xe0) return 2;
  if (!continues(byte_at(text, at + 2))) return 0;
  if (b0 < 0xf0) {
    const bool overlong = b0 == 0xe0 && b1 < 0xa0;
    const bool surrogate = b0 == 0xed && b1 >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  const bool overlong = b0 == 0xf0 && b1 < 0x90;
  const bool too_high = b0 == 0xf4 && b1 >= 0x90;
  return overlong || too_high || !continues(byte_at(text, at + 3)) ? 0 : 4;
}

void append_utf8(std::string& out, uint32_t code_point) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code_point >> shift) & 0x3f)); };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xc0 | (code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xe0 | (code_point >> 12));
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0 | (code_point >> 18));
    tail(12), tail(6), tail(0);
  }
}

}  // namespace tongueforge::checkpoint
