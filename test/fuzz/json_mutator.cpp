#include "json_mutator.h"

#include <optional>
#include <string_view>
#include <vector>

#include "bytes.h"

namespace tongueforge::fuzz {
namespace {

using namespace std::string_view_literals;

struct Range {
  size_t begin, end;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Behind the string that begins at `at`.
size_t end_of_string(std::string_view text, size_t at) {
  for (size_t i = at + 1; i < text.size(); i++) {
    if (text[i] == '\\')
      i++;
    else if (text[i] == '"')
      return i + 1;
  }
  return text.size();
}

/// Behind the value that begins at `at`: a string, a container, or a word.
size_t end_of_value(std::string_view text, size_t at) {
  size_t depth = 0;
  for (size_t i = at; i < text.size(); i++) {
    const char c = text[i];
    if (c == '"') {
      i = end_of_string(text, i) - 1;
      if (depth == 0) return i + 1;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (c == '}' || c == ']') {
      if (depth <= 1) return depth == 0 ? i : i + 1;
      depth--;
    } else if (depth == 0 && (c == ',' || c == ':')) {
      return i;
    }
  }
  return text.size();
}

/// One of the pieces that begin where `begins(i)` says and end where `end(i)` says.
template <class Begins, class End>
std::optional<Range> pick(std::string_view text, Dice& dice, const Begins& begins, const End& end) {
  std::vector<size_t> all;
  for (size_t i = 0; i < text.size(); i++)
    if (begins(i)) all.push_back(i);
  if (all.empty()) return std::nullopt;
  const size_t at = all[dice.below(all.size())];
  return Range{at, end(at)};
}

std::optional<Range> pick_number(std::string_view text, Dice& dice) {
  const auto begins = [&](size_t i) { return is_digit(text[i]) && (i == 0 || !is_digit(text[i - 1])); };
  return pick(text, dice, begins, [&](size_t at) {
    while (at < text.size() && is_digit(text[at])) at++;
    return at;
  });
}

std::optional<Range> pick_string(std::string_view text, Dice& dice) {
  std::vector<Range> all;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '"') continue;
    all.push_back({i, end_of_string(text, i)});
    i = all.back().end - 1;
  }
  if (all.empty()) return std::nullopt;
  return all[dice.below(all.size())];
}

std::optional<Range> pick_value(std::string_view text, Dice& dice) {
  const auto begins = [&](size_t i) {
    return text[i] == '{' || text[i] == '[' || text[i] == ':' || text[i] == ',';
  };
  auto found = pick(text, dice, begins, [&](size_t at) { return at; });
  if (!found) return std::nullopt;
  if (text[found->begin] == ':' || text[found->begin] == ',') found->begin++;
  found->end = end_of_value(text, found->begin);
  return found;
}

/// A key with its value, the comma before it left out.
std::optional<Range> pick_member(std::string_view text, Dice& dice) {
  auto key = pick_string(text, dice);
  if (!key) return std::nullopt;
  const size_t colon = text.find_first_not_of(" \t\r\n", key->end);
  if (colon != std::string_view::npos && text[colon] == ':') key->end = end_of_value(text, colon + 1);
  return key;
}

std::string some_number(Dice& dice, std::string_view old) {
  switch (dice.below(8)) {
    case 0:
      return std::string(
          dice.of({"-1", "-0", "1.0", "2e0", "1E+3", "00", "02", "0x8", "1.", ".5", "NaN", "null", "\"2\"",
                   "18446744073709551616", "9223372036854775808", "1e400", "+1", "true", "[]"}));
    case 1:
      return std::string(old) + std::string(1, static_cast<char>('0' + dice.below(10)));
    case 2:
    case 3:
    case 4: {
      uint64_t value = 0;
      for (const char c : old.substr(0, 18)) value = value * 10 + static_cast<uint64_t>(c - '0');
      return std::to_string(dice.one_in(2) ? value + 1 + dice.below(8)
                                           : value - std::min<uint64_t>(value, 1 + dice.below(8)));
    }
    default:
      return std::to_string(dice.number());
  }
}

}  // namespace

std::string some_json_string(Dice& dice) {
  return std::string(dice.of({"\"a\""sv,
                              "\"b\""sv,
                              "\"model.embed.weight\""sv,
                              "\"\\u0061\""sv,
                              "\"\""sv,
                              "\"\\u0000\""sv,
                              "\"\\ud83d\\ude00\""sv,
                              "\"\\ud83d\""sv,
                              "\"../../x\""sv,
                              "\"\xc3\xa9\""sv,
                              "\"\xc3\""sv,
                              "\"\xed\xa0\x80\""sv,
                              "\"x\ty\""sv,
                              "\"\\x\""sv,
                              "\"__metadata__\""sv,
                              "\"dtype\""sv,
                              "\"shape\""sv,
                              "\"data_offsets\""sv,
                              "\"F32\""sv,
                              "\"BF16\""sv,
                              "\"F4\""sv,
                              "\"F6_E2M3\""sv,
                              "\"BOOL\""sv,
                              "\"U64\""sv,
                              "\"f32\""sv,
                              "\"C128\""sv,
                              "\"weight_map\""sv,
                              "\"metadata\""sv,
                              "\"total_size\""sv,
                              "\"model-00001-of-00002.safetensors\""sv,
                              "\"/etc/x.safetensors\""sv}));
}

void mutate_json(std::string& text, Dice& dice, const ByteMutator& bytes) {
  const auto replace = [&](std::optional<Range> range, const std::string& by) {
    if (range) text.replace(range->begin, range->end - range->begin, by);
  };
  const auto text_of = [&](Range range) { return text.substr(range.begin, range.end - range.begin); };
  switch (dice.below(10)) {
    case 0:
    case 1:
      return bytes(text);
    case 2:
    case 3:
    case 4: {
      const auto number = pick_number(text, dice);
      if (number) replace(number, some_number(dice, text_of(*number)));
      return;
    }
    case 5: {
      const auto from = pick_string(text, dice);
      const std::string by = from && dice.one_in(2) ? text_of(*from) : some_json_string(dice);
      return replace(pick_string(text, dice), by);
    }
    case 6: {  // a member or an item again, at its own place or at another
      const auto member = dice.one_in(2) ? pick_member(text, dice) : pick_value(text, dice);
      if (!member) return;
      const std::string copy = text_of(*member);
      const auto place = dice.one_in(2) ? member : pick_value(text, dice);
      text.insert(place ? place->begin : 0, copy + (dice.one_in(8) ? "" : ","));
      return;
    }
    case 7: {  // a member goes, mostly with its comma
      auto member = dice.one_in(2) ? pick_member(text, dice) : pick_value(text, dice);
      if (!member) return;
      if (!dice.one_in(4) && member->end < text.size() && text[member->end] == ',')
        member->end++;
      else if (!dice.one_in(4) && member->begin > 0 && text[member->begin - 1] == ',')
        member->begin--;
      return replace(member, "");
    }
    case 8: {
      const auto from = pick_value(text, dice);
      const std::string by = from && dice.one_in(2)
                                 ? text_of(*from)
                                 : std::string(dice.of({"{}", "[]", "null", "true", "0", "\"\"", "[[]]",
                                                        "{\"a\":{}}", "[0,8]"}));
      return replace(pick_value(text, dice), by);
    }
    default:
      text.insert(dice.below(text.size() + 1), dice.of({" ", "\n", "\t", ",", ":", "{", "}", "[", "]", "\"",
                                                        "\\", "\0"sv, "\xef\xbb\xbf", "/**/"}));
  }
}

void mutate_document(std::string& text, Dice& dice, const ByteMutator& bytes, const Renewal& renewal) {
  if (dice.one_in(renewal.one_in)) text = renewal.fresh(dice);
  for (size_t changes = 1 + dice.below(3); changes > 0; changes--) mutate_json(text, dice, bytes);
}

}  // namespace tongueforge::fuzz
