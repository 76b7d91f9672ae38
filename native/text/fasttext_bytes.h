// The bytes of a fastText file, taken one after the other: nothing is taken that is not there.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace tongueforge::text {

class FastTextBytes {
 public:
  FastTextBytes(std::string_view bytes, std::string file) : bytes_(bytes), file_(std::move(file)) {}

  uint64_t at() const { return at_; }
  bool at_end() const { return at_ == bytes_.size(); }

  /// The next `count` bytes; they live as long as those of the file. @throws ERR_FASTTEXT as all of these
  std::string_view take(uint64_t count, const char* what) {
    if (count > bytes_.size() - at_)
      refuse(at_, "cut_short",
             str("expected ", count, " bytes of ", what, ", received ", bytes_.size() - at_));
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }

  /// `count` things of `size` bytes each; a product that no file holds is refused as such.
  std::string_view take_all(uint64_t count, uint64_t size, const char* what) {
    if (count > (bytes_.size() - at_) / size)
      refuse(at_, "cut_short",
             str("expected ", count, " x ", size, " bytes of ", what, ", received ", bytes_.size() - at_));
    return take(count * size, what);
  }

  /// Numbers are little-endian, as the machines are that this is built for.
  template <class Number>
  Number number(const char* what) {
    Number value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  /// A number that has to lie within these bounds.
  template <class Number>
  Number number(const char* what, Number least, Number most) {
    const uint64_t offset = at_;
    const auto value = number<Number>(what);
    if (value < least || value > most)
      refuse(offset, "out_of_range",
             str("expected ", what, " from ", +least, " to ", +most, ", received ", +value));
    return value;
  }

  bool flag(const char* what) { return number<uint8_t>(what, 0, 1) == 1; }

  /// A text up to its zero byte, which is taken and not given.
  std::string_view text(const char* what) {
    const size_t end = bytes_.find('\0', at_);
    if (end == std::string_view::npos)
      refuse(at_, "cut_short", str("expected the end of ", what, ", received the end of the file"));
    const std::string_view taken = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return taken;
  }

  /// Throws ERR_FASTTEXT {file, offset, reason}.
  [[noreturn]] void refuse(uint64_t offset, const char* reason, const std::string& message) const {
    throw Error("ERR_FASTTEXT", str(file_, ", offset ", offset, ": ", message),
                "Is it all there, and a fastText classifier (.bin or .ftz) such as lid.176? Fetch it again.",
                {{"file", file_}, {"offset", str(offset)}, {"reason", reason}});
  }

 private:
  std::string_view bytes_;
  std::string file_;
  uint64_t at_ = 0;
};

}  // namespace tongueforge::text
