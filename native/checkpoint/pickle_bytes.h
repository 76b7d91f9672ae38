// The bytes of a pickle, taken one after the other: nothing is taken that is not there.
#pragma once
#include <cstdint>
#include <string_view>

#include "checkpoint/pickle_refusal.h"
#include "checkpoint/utf8.h"

namespace tongueforge::checkpoint {

class PickleBytes {
 public:
  explicit PickleBytes(std::string_view bytes) : bytes_(bytes) {}

  size_t at() const { return at_; }
  bool at_end() const { return at_ == bytes_.size(); }

  /// The next `count` bytes. @throws PickleFault as all of these
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_)
      throw PickleFault{"cut_short", str("expected ", count, " more bytes, received ", bytes_.size() - at_)};
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }

  /// A little-endian number of up to eight bytes.
  uint64_t number(uint64_t width) {
    uint64_t value = 0;
    const std::string_view taken = take(width);
    for (size_t i = 0; i < taken.size(); ++i)
      value |= uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
    return value;
  }

  /// The same, of two's complement.
  int64_t signed_number(uint64_t width) {
    const uint64_t value = number(width);
    if (width == 0 || width >= 8) return static_cast<int64_t>(value);
    const uint64_t sign = uint64_t{1} << (8 * width - 1);
    return static_cast<int64_t>((value ^ sign) - sign);
  }

  /// The bits of a float64, whose bytes alone are big-endian here.
  int64_t real_bits() {
    uint64_t bits = 0;
    for (const char byte : take(8)) bits = bits << 8 | static_cast<unsigned char>(byte);
    return static_cast<int64_t>(bits);
  }

  /// A text of `count` bytes.
  std::string_view utf8(uint64_t count) {
    const std::string_view text = take(count);
    for (size_t i = 0; i < text.size();) {
      const size_t length = utf8_length(text, i);
      if (length == 0) throw PickleFault{"not_utf8", "expected a text in UTF-8"};
      i += length;
    }
    return text;
  }

  /// Up to the end of a short line, which is taken and not given.
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos || end - at_ > kMaxLine)
      throw PickleFault{"global_name", "expected the name of a global"};
    const std::string_view text = take(end - at_);
    ++at_;
    return text;
  }

 private:
  static constexpr size_t kMaxLine = 256;
  std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace tongueforge::checkpoint
