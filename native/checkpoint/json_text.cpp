#include "checkpoint/json_text.h"

#include <cstdint>

namespace tongueforge::checkpoint {
namespace {

constexpr size_t kMaxShown = 200;

void append_hex_escape(std::string& out, unsigned char byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += "\\u00";
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

/// The escapes that JSON has a letter for.
char short_escape(char c) {
  switch (c) {
    case '"':
      return '"';
    case '\\':
      return '\\';
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

}  // namespace

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (const char letter = short_escape(c)) {
      out += '\\';
      out += letter;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      append_hex_escape(out, static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string printable(std::string_view text) {
  size_t cut = text.size();
  if (cut > kMaxShown) {
    cut = kMaxShown;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80)
      --cut;  // not inside a character
  }
  std::string out;
  for (const char c : text.substr(0, cut)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      append_hex_escape(out, byte);
    } else {
      out += c;
    }
  }
  return cut < text.size() ? out + "..." : out;
}

}  // namespace tongueforge::checkpoint
