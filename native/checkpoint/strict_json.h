// A strict reader for the two JSON texts that weight files come with: headers and shard indexes.
// It is pulled by a caller who knows what must come next, so that hostile text is refused where it departs
// from that and nothing is built in memory for it. JSON as in RFC 8259 and stricter: UTF-8 without BOM, no
// lone surrogates, no -0.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tongueforge::checkpoint {

/// Where a text comes from and how its refusals are coded.
struct JsonSource {
  std::string code;          // "ERR_SAFETENSORS"
  std::string file;          // path
  uint64_t base_offset = 0;  // where the text begins in the file
  std::string hint;
};

enum class JsonKind { Object, Array, String, Number, True, False, Null };

class JsonReader {
 public:
  /// `text` must outlive the reader. @throws at once for a BOM or UTF-16
  JsonReader(std::string_view text, JsonSource source);

  /// The kind of the value that begins here; consumes white space only.
  JsonKind peek();

  /// An object is read as: begin_object(); while (next_key(key)) { ...read one value... }
  /// Keys are decoded; whether one may come twice is for the caller to say.
  void begin_object();
  bool next_key(std::string& key);

  /// An array is read as: begin_array(); while (next_item()) { ...read one value... }
  void begin_array();
  bool next_item();

  /// The decoded string that must stand here.
  std::string read_string();

  /// An integer of 0..2^64-1 without sign, fraction or exponent; "not_unsigned_integer" or "integer_overflow"
  /// otherwise.
  uint64_t read_u64();

  /// Any value, fully checked and thrown away: also no object in it may have a key twice, nor stand 64 levels
  /// deep.
  void skip_value();

  /// Nothing but white space may follow: "text_after_end", "nul_padding".
  void expect_end();

  /// Byte of the file where the last peeked value, or the last key, began.
  uint64_t offset() const { return source_.base_offset + mark_; }

  /// Named as {tensor} in refusals from now on; empty for none.
  void set_tensor(std::string name) { tensor_ = std::move(name); }

  /// Throws the source's code with details {file, offset, reason, tensor?}.
  [[noreturn]] void refuse(const char* reason, const std::string& message) const {
    refuse_at(offset(), reason, message);
  }
  [[noreturn]] void refuse_at(uint64_t offset, const char* reason, const std::string& message) const;

 private:
  bool at_end() const { return at_ == text_.size(); }
  char current() const { return at_end() ? '\0' : text_[at_]; }
  void skip_space();
  void expect(char c, const char* what);
  bool next_member(char close, const char* what);
  [[noreturn]] void refuse_here(const char* reason, const std::string& message) const;
  [[noreturn]] void refuse_syntax(const std::string& expected) const;
  std::string_view read_number();
  void read_digits();
  void read_escape(std::string& out);
  uint32_t read_code_point();
  uint32_t read_hex4();
  void copy_character(std::string& out);
  void skip_word();
  void skip_value(int depth);
  void skip_object(int depth);

  std::string_view text_;
  JsonSource source_;
  std::string tensor_;
  size_t at_ = 0, mark_ = 0;
  bool first_ = false;  // nothing has been read yet of the container that was opened last
};

/// Throws `code` for a file with details {file, offset, reason, tensor?}, in that order.
[[noreturn]] void refuse_file(const std::string& code, const std::string& file, uint64_t offset,
                              const char* reason, const std::string& message, const std::string& hint,
                              std::string_view tensor = {});

}  // namespace tongueforge::checkpoint
