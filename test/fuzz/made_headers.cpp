#include "made_headers.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "bytes.h"
#include "core/dtype.h"
#include "core/error.h"
#include "json_mutator.h"

namespace tongueforge::fuzz {
namespace {

constexpr size_t kMostData = 1024;

struct Made {
  std::string shape, dtype;
  uint64_t bytes = 0;
};

Made some_tensor(Dice& dice) {
  const DType dtype = all_dtypes()[dice.below(kNumDTypes)];
  Made made{.shape = "[", .dtype = dtype_name(dtype)};
  uint64_t elements = 1;
  const size_t rank = dice.one_in(64) ? 60 + dice.below(8) : dice.below(4);
  for (size_t i = 0; i < rank; i++) {
    const uint64_t size = rank > 4 ? 1 : dice.one_in(12) ? 0 : 1 + dice.below(4);
    made.shape += str(i ? "," : "", size);
    elements *= size;
  }
  if (elements == 0 && dice.one_in(4))
    made.shape += str(",", dice.number());  // a zero excuses no size beside it
  const uint64_t bits = elements * static_cast<uint64_t>(dtype_bits(dtype));
  if (bits % 8 != 0) return some_tensor(dice);
  made.bytes = bits / 8;
  made.shape += "]";
  return made;
}

std::string some_metadata(Dice& dice) {
  std::string out = "\"__metadata__\":{";
  for (size_t i = dice.below(3); i > 0; i--)
    out += some_json_string(dice) + ":" + some_json_string(dice) + (i > 1 ? "," : "");
  return dice.one_in(16) ? "\"__metadata__\":null" : out + "}";
}

std::string entry(const Made& made, uint64_t begin, Dice& dice) {
  const std::string offsets = str("[", begin, ",", begin + made.bytes, "]");
  if (dice.one_in(64)) return str("[\"", made.dtype, "\",", made.shape, ",", offsets, "]");
  std::string fields[] = {str("\"dtype\":\"", made.dtype, "\""), str("\"shape\":", made.shape),
                          str("\"data_offsets\":", offsets)};
  std::swap(fields[dice.below(3)], fields[dice.below(3)]);
  return str("{", fields[0], ",", fields[1], ",", fields[2], dice.one_in(64) ? ",\"x\":1" : "", "}");
}

/// Where the data ends by what the text says; nothing where it says none or too much to be made.
size_t data_end(std::string_view text) {
  constexpr std::string_view kKey = "\"data_offsets\":[";
  uint64_t end = 0;
  for (size_t at = text.find(kKey); at != std::string_view::npos; at = text.find(kKey, at + 1)) {
    const size_t comma = text.find(',', at + kKey.size());
    if (comma == std::string_view::npos) break;
    uint64_t value = 0;
    for (size_t i = comma + 1; i < text.size() && text[i] >= '0' && text[i] <= '9'; i++)
      value = std::min<uint64_t>(value * 10 + static_cast<uint64_t>(text[i] - '0'), kMostData + 1);
    if (value <= kMostData) end = std::max(end, value);
  }
  return end;
}

}  // namespace

std::string made_safetensors(Dice& dice) {
  std::vector<Made> all(dice.below(5));
  for (Made& made : all) made = some_tensor(dice);
  std::vector<std::string> members;
  uint64_t end = 0;
  for (size_t i = 0; i < all.size(); i++) {
    const std::string name = dice.one_in(4) ? some_json_string(dice) : str("\"layers.", i, ".weight\"");
    members.push_back(name + ":" + entry(all[i], end, dice));
    end += all[i].bytes;
  }
  if (dice.one_in(2)) members.push_back(some_metadata(dice));
  std::string text = "{";
  while (!members.empty()) {  // the order of the header need not be that of the data
    const size_t i = dice.below(members.size());
    text += members[i] + (members.size() > 1 ? "," : "");
    members.erase(members.begin() + static_cast<std::ptrdiff_t>(i));
  }
  text += str('}', std::string(dice.below(9), ' '));
  return little(text.size(), 8) + text + std::string(end, '\1');
}

void mutate_safetensors(std::string& input, Dice& dice, const ByteMutator& bytes) {
  if (dice.one_in(16)) return bytes(input);
  if (dice.one_in(16) || input.size() < 8) {
    input = made_safetensors(dice);
    if (dice.one_in(2)) return;
  }
  const size_t length = std::min<uint64_t>(number_at(input, 0, 8), input.size() - 8);
  std::string text = input.substr(8, length), data = input.substr(8 + length);
  for (size_t changes = 1 + dice.below(3); changes > 0; changes--) mutate_json(text, dice, bytes);
  const uint64_t told = dice.one_in(32)   ? dice.number()
                        : dice.one_in(32) ? text.size() + dice.below(3) - 1
                                          : text.size();
  if (!dice.one_in(4)) data.resize(data_end(text), '\1');
  input = little(told, 8) + text + data;
}

}  // namespace tongueforge::fuzz
