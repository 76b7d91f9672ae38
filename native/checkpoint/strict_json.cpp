#include "checkpoint/strict_json.h"

#include <set>

#include "checkpoint/json_text.h"
#include "checkpoint/utf8.h"
#include "core/error.h"

namespace tongueforge::checkpoint {
namespace {

constexpr int kMaxDepth = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_high_surrogate(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low_surrogate(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

const char* kind_name(JsonKind kind) {
  switch (kind) {
    case JsonKind::Object:
      return "an object";
    case JsonKind::Array:
      return "an array";
    case JsonKind::String:
      return "a string";
    case JsonKind::Number:
      return "a number";
    case JsonKind::True:
      return "true";
    case JsonKind::False:
      return "false";
    default:
      return "null";
  }
}

}  // namespace

void refuse_file(const std::string& code, const std::string& file, uint64_t offset, const char* reason,
                 const std::string& message, const std::string& hint, std::string_view tensor) {
  ErrorDetails details = {{"file", file}, {"offset", std::to_string(offset)}, {"reason", reason}};
  std::string text = str(file, ", byte ", offset, ": ");
  if (!tensor.empty()) {
    details.emplace_back("tensor", printable(tensor));
    text += str("tensor \"", printable(tensor), "\": ");
  }
  throw Error(code, text + message, hint, std::move(details));
}

JsonReader::JsonReader(std::string_view text, JsonSource source) : text_(text), source_(std::move(source)) {
  if (text_.starts_with("\xef\xbb\xbf")) refuse("bom", "expected JSON, received a byte order mark before it");
  const bool marked = text_.starts_with("\xff\xfe") || text_.starts_with("\xfe\xff");
  const bool wide = text_.size() >= 2 && (text_[0] == '\0') != (text_[1] == '\0');
  if (marked || wide) refuse("utf16", "expected JSON in UTF-8, received UTF-16");
}

void JsonReader::refuse_at(uint64_t offset, const char* reason, const std::string& message) const {
  refuse_file(source_.code, source_.file, offset, reason, message, source_.hint, tensor_);
}

void JsonReader::refuse_here(const char* reason, const std::string& message) const {
  refuse_at(source_.base_offset + at_, reason, message);
}

void JsonReader::refuse_syntax(const std::string& expected) const {
  if (at_end()) refuse_here("json_syntax", str("expected ", expected, ", received the end of the JSON text"));
  const size_t length = utf8_length(text_, at_);
  if (length == 0)
    refuse_here("invalid_utf8", str("expected ", expected, ", received a byte that is not UTF-8"));
  refuse_here("json_syntax",
              str("expected ", expected, ", received '", printable(text_.substr(at_, length)), "'"));
}

void JsonReader::skip_space() {
  while (!at_end() && is_space(text_[at_])) ++at_;
}

void JsonReader::expect(char c, const char* what) {
  skip_space();
  if (at_end() || text_[at_] != c) refuse_syntax(what);
  ++at_;
}

JsonKind JsonReader::peek() {
  skip_space();
  mark_ = at_;
  const char c = current();
  if (is_digit(c)) return JsonKind::Number;
  switch (c) {
    case '{':
      return JsonKind::Object;
    case '[':
      return JsonKind::Array;
    case '"':
      return JsonKind::String;
    case '-':
      return JsonKind::Number;
    case 't':
      return JsonKind::True;
    case 'f':
      return JsonKind::False;
    case 'n':
      return JsonKind::Null;
    default:
      refuse_syntax("a JSON value");
  }
}

// ---- containers ----

void JsonReader::begin_object() {
  expect('{', "'{'");
  first_ = true;
}

void JsonReader::begin_array() {
  expect('[', "'['");
  first_ = true;
}

/// Steps over a comma to the next member, or over the closing bracket.
bool JsonReader::next_member(char close, const char* what) {
  skip_space();
  if (current() == close) {
    ++at_;
    first_ = false;  // for the container around this one, which has at least this value
    return false;
  }
  if (!first_) expect(',', what);
  first_ = false;
  return true;
}

bool JsonReader::next_key(std::string& key) {
  if (!next_member('}', "',' or '}'")) return false;
  skip_space();
  if (current() != '"') refuse_syntax("a key in quotes");
  key = read_string();
  expect(':', "':'");
  return true;
}

bool JsonReader::next_item() {
  if (!next_member(']', "',' or ']'")) return false;
  skip_space();
  if (current() == ']') refuse_syntax("a value after ','");
  return true;
}

void JsonReader::expect_end() {
  skip_space();
  if (at_end()) return;
  if (text_[at_] == '\0')
    refuse_here("nul_padding", "expected spaces after the JSON text, received a NUL byte");
  refuse_here("text_after_end", "expected nothing after the JSON text, received more");
}

// ---- strings ----

std::string JsonReader::read_string() {
  if (peek() != JsonKind::String) refuse_syntax("a string");
  ++at_;
  std::string out;
  for (;;) {
    if (at_end()) refuse_syntax("the end of a string");
    const char c = text_[at_];
    if (c == '"') break;
    if (c == '\\') {
      read_escape(out);
    } else {
      copy_character(out);
    }
  }
  ++at_;
  return out;
}

void JsonReader::copy_character(std::string& out) {
  if (static_cast<unsigned char>(text_[at_]) < 0x20) {
    refuse_here("control_character",
                "expected control characters in a string to be escaped, received one raw");
  }
  const size_t length = utf8_length(text_, at_);
  if (length == 0) refuse_here("invalid_utf8", "expected UTF-8 in a string, received other bytes");
  out.append(text_, at_, length);
  at_ += length;
}

void JsonReader::read_escape(std::string& out) {
  const size_t begin = at_++;
  switch (const char c = current()) {
    case '"':
    case '\\':
    case '/':
      out += c;
      break;
    case 'b':
      out += '\b';
      break;
    case 'f':
      out += '\f';
      break;
    case 'n':
      out += '\n';
      break;
    case 'r':
      out += '\r';
      break;
    case 't':
      out += '\t';
      break;
    case 'u': {
      const uint32_t code = read_code_point();
      if (is_high_surrogate(code) || is_low_surrogate(code)) {
        refuse_at(source_.base_offset + begin, "lone_surrogate",
                  "expected surrogate escapes in pairs, received half of one");
      }
      append_utf8(out, code);
      break;
    }
    default:
      refuse_syntax("an escape: one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
  }
  ++at_;
}

/// One escaped unit, or a pair of surrogates; half a pair is returned as it is.
uint32_t JsonReader::read_code_point() {
  const uint32_t code = read_hex4();
  if (is_high_surrogate(code) && text_.substr(at_ + 1).starts_with("\\u")) {
    at_ += 2;
    const uint32_t low = read_hex4();
    if (is_low_surrogate(low)) return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  return code;
}

/// Reads the digits after a 'u' and stops on the last of them.
uint32_t JsonReader::read_hex4() {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    ++at_;
    const char c = current(), lower = static_cast<char>(c | 0x20);
    if (is_digit(c)) {
      value = value * 16 + static_cast<uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value * 16 + static_cast<uint32_t>(lower - 'a' + 10);
    } else {
      refuse_syntax("four hexadecimal digits");
    }
  }
  return value;
}

// ---- numbers ----

void JsonReader::read_digits() {
  if (!is_digit(current())) refuse_syntax("a digit");
  while (is_digit(current())) ++at_;
}

std::string_view JsonReader::read_number() {
  const size_t begin = at_;
  if (current() == '-') ++at_;
  if (current() == '0') {
    ++at_;
    if (is_digit(current())) refuse_here("json_syntax", "expected a number without leading zeros");
  } else {
    read_digits();
  }
  if (current() == '.') ++at_, read_digits();
  if (current() == 'e' || current() == 'E') {
    ++at_;
    if (current() == '+' || current() == '-') ++at_;
    read_digits();
  }
  const std::string_view number = text_.substr(begin, at_ - begin);
  if (number == "-0") refuse("json_syntax", "expected 0, received -0");
  return number;
}

uint64_t JsonReader::read_u64() {
  const JsonKind kind = peek();
  if (kind != JsonKind::Number) {
    refuse("not_unsigned_integer", str("expected an integer of 0 or more, received ", kind_name(kind)));
  }
  const std::string_view number = read_number();
  uint64_t value = 0;
  for (const char c : number) {
    if (!is_digit(c)) {
      refuse("not_unsigned_integer", str("expected an integer of 0 or more, received ", printable(number)));
    }
    if (__builtin_mul_overflow(value, uint64_t{10}, &value) ||
        __builtin_add_overflow(value, static_cast<uint64_t>(c - '0'), &value)) {
      refuse("integer_overflow", str("expected an integer below 2^64, received ", printable(number)));
    }
  }
  return value;
}

// ---- values that nobody asked for ----

void JsonReader::skip_value() { skip_value(0); }

void JsonReader::skip_value(int depth) {
  if (depth > kMaxDepth) refuse_here("nesting", str("expected at most ", kMaxDepth, " levels of nesting"));
  switch (peek()) {
    case JsonKind::Object:
      skip_object(depth);
      break;
    case JsonKind::Array:
      begin_array();
      while (next_item()) skip_value(depth + 1);
      break;
    case JsonKind::String:
      read_string();
      break;
    case JsonKind::Number:
      read_number();
      break;
    default:
      skip_word();
  }
}

void JsonReader::skip_object(int depth) {
  std::set<std::string> keys;
  std::string key;
  begin_object();
  while (next_key(key)) {
    if (!keys.insert(key).second)
      refuse("duplicate_key", str("expected every key once, received \"", printable(key), "\" twice"));
    skip_value(depth + 1);
  }
}

void JsonReader::skip_word() {
  for (const std::string_view word : {"true", "false", "null"}) {
    if (!text_.substr(at_).starts_with(word)) continue;
    at_ += word.size();
    return;
  }
  refuse_syntax("true, false or null");
}

}  // namespace tongueforge::checkpoint
