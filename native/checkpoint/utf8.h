// UTF-8, one character at a time and without mercy.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tongueforge::checkpoint {

/// Bytes of the well-formed character that begins at `at`, or 0: truncated, overlong, a surrogate, or above
/// U+10FFFF.
size_t utf8_length(std::string_view text, size_t at);

/// Appends a code point that is not a surrogate.
void append_utf8(std::string& out, uint32_t code_point);

}  // namespace tongueforge::checkpoint
