// Any JSON text, taken whole by the strict reader.
#include "checkpoint/strict_json.h"

#include "checkpoint/json_text.h"
#include "checkpoint/utf8.h"
#include "core/error.h"
#include "json_mutator.h"
#include "target.h"
#include "targets.h"

namespace tongueforge::fuzz {
namespace {

using checkpoint::JsonKind;
using checkpoint::JsonReader;

JsonReader reader_of(std::string_view text) { return {text, {"ERR_FUZZ", "text.json", 0, ""}}; }

bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = checkpoint::utf8_length(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

void check_string(std::string_view text) {
  JsonReader reader = reader_of(text);
  const std::string value = reader.read_string();
  require(is_utf8(value), "a string that was read is UTF-8");
  const std::string quoted = checkpoint::json_quoted(value);
  JsonReader again = reader_of(quoted);
  require(again.read_string() == value, "a string is written as it was read");
  again.expect_end();
}

bool run(std::string_view input) {
  try {
    JsonReader reader = reader_of(input);
    const JsonKind kind = reader.peek();
    reader.skip_value();
    reader.expect_end();
    require(is_utf8(input), "a text that is accepted is UTF-8");
    if (kind == JsonKind::String) check_string(input);
    if (kind == JsonKind::Number) reader_of(input).read_u64();
    return true;
  } catch (const Error& error) {
    require_refusal(error, "ERR_FUZZ");
    return false;
  }
}

std::string fresh(Dice& dice) {
  std::string text = some_json_string(dice);
  for (size_t depth = dice.one_in(8) ? 50 + dice.below(30) : dice.below(5); depth > 0; depth--)
    text = dice.one_in(2) ? str('[', text, ",1.5e3]") : str('{', some_json_string(dice), ':', text, '}');
  return text;
}

void mutate(std::string& input, Dice& dice, const ByteMutator& bytes) {
  mutate_document(input, dice, bytes, {fresh, 16});
}

size_t memory(size_t input_bytes) { return 64 * input_bytes + (1 << 20); }

}  // namespace

const Target strict_json = {"strict_json", run, fresh, mutate, memory};

}  // namespace tongueforge::fuzz
