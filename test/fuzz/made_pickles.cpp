#include "made_pickles.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "bytes.h"
#include "checkpoint/made_torch.h"
#include "checkpoint/pickle_opcodes.h"

namespace tongueforge::fuzz {
namespace {

namespace made = tongueforge::testing;
namespace op = checkpoint::op;

/// Bytes of a fixed argument, or of the length before a text.
size_t width_of(char code) {
  constexpr std::string_view kOne =
                                 "\x80K\x8a\x8c"
                                 "Chq",
                             kTwo = "M", kFour = "J\x8bXBjr", kEight = "\x95G\x8d\x8e\x96";
  return kOne.find(code) != std::string_view::npos     ? 1
         : kTwo.find(code) != std::string_view::npos   ? 2
         : kFour.find(code) != std::string_view::npos  ? 4
         : kEight.find(code) != std::string_view::npos ? 8
                                                       : 0;
}

bool has_payload(char code) {
  return std::string_view(
             "\x8a\x8b\x8cX\x8d"
             "CB\x8e\x96")
             .find(code) != std::string_view::npos;
}

std::vector<std::string> operations_of(std::string_view pickle) {
  std::vector<std::string> all;
  for (size_t at = 0; at < pickle.size();) {
    const char code = pickle[at];
    size_t length = 1 + width_of(code);
    if (has_payload(code))
      length += std::min<uint64_t>(number_at(pickle, at + 1, width_of(code)), pickle.size());
    if (code == op::global) {
      const size_t line = pickle.find('\n', at),
                   second = line == std::string_view::npos ? line : pickle.find('\n', line + 1);
      length = second == std::string_view::npos ? pickle.size() : second + 1 - at;
    }
    all.emplace_back(pickle.substr(at, length));
    at += length;
  }
  return all;
}

void mutate_operation(std::string& operation, Dice& dice, const ByteMutator& bytes) {
  const char code = operation[0];
  const size_t width = width_of(code);
  if (has_payload(code) && operation.size() > 1 + width && !dice.one_in(4)) {
    std::string payload = operation.substr(1 + width);
    bytes(payload);
    operation = code + little(payload.size(), width) + payload;
  } else if (width > 0 && dice.one_in(2)) {
    put_number(operation, 1, dice.one_in(2) ? dice.below(8) : dice.number(), width);
  } else {
    bytes(operation);
  }
}

std::string some_global(Dice& dice) {
  const auto name = dice.of(
      {"collections\nOrderedDict", "torch._utils\n_rebuild_tensor_v2", "torch._utils\n_rebuild_parameter",
       "torch\nFloatStorage", "torch\nBFloat16Storage", "torch.storage\nUntypedStorage", "torch\nbfloat16",
       "torch\nSize", "torch\ndevice", "torch\nTensor", "torch._tensor\n_rebuild_from_type_v2",
       "torch._utils\n_rebuild_tensor_v3", "builtins\nset", "argparse\nNamespace", "os\nsystem",
       "torch\ncomplex128", "numpy\nndarray", "numpy.core.multiarray\n_reconstruct", "_codecs\nencode"});
  return "c" + std::string(name) + "\n";
}

std::string some_value(Dice& dice) {
  switch (dice.below(12)) {
    case 0:
      return made::integer(static_cast<int64_t>(dice.number()));
    case 1:
      return made::text(std::string(dice.of({"a", "state_dict", "__proto__", "storage", "0", "\xc3\xa9"})));
    case 2:
      return "G" + dice.bytes(8);
    case 3:
      return std::string(dice.of({"N", "\x88", "\x89", "]", ")", "}", "\x8f", "2"}));
    case 4:
      return "(" + made::integer(1) + made::integer(2) + "t";
    case 5:
      return "](" + made::integer(1) + "N" + "e";
    case 6:
      return "K" + little(dice.next(), 1);
    case 7:
      return made::called(some_global(dice), ")");
    case 8:
      return "C" + little(3, 1) + "abc";
    case 9:
      return "h" + little(dice.below(4), 1);
    case 10:
      return "\x8a" + little(9, 1) + dice.bytes(9);
    default:
      return "}(" + made::text("k") + made::integer(3) + "u";
  }
}

std::string some_operation(Dice& dice) {
  const auto single = [&] {
    return std::string(1,
                       "N\x88\x89(.012]ael)\x85\x86\x87t}sud\x8f\x90\x91\x94\x93R\x81"
                       "bQ"[dice.below(31)]);
  };
  switch (dice.below(6)) {
    case 0:
      return some_global(dice);
    case 1:
      return std::string(dice.of({"h", "q"})) + little(dice.below(6), 1);
    case 2:
      return std::string(dice.of({"j", "r"})) + little(dice.number(), 4);
    case 3:
      return some_value(dice);
    default:
      return single();
  }
}

}  // namespace

std::string made_pickle(Dice& dice, std::vector<std::string>& storages) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (size_t count = dice.below(4); count > 0; count--) {
    const size_t rows = dice.below(4), columns = 1 + dice.below(4);
    const std::string number = std::to_string(storages.size());
    const auto of = made::storage(number, static_cast<int64_t>(rows * columns),
                                  std::string(dice.of({"FloatStorage", "FloatStorage", "IntStorage"})));
    storages.push_back(std::string(rows * columns * 4, '\1'));
    const auto r = static_cast<int64_t>(rows), c = static_cast<int64_t>(columns);
    pairs.emplace_back("w" + number, dice.one_in(2) ? made::tensor(of, 0, {r, c}, {c, 1})
                                                    : made::tensor(of, 0, {c, r}, {1, c}));
  }
  for (size_t count = dice.below(4); count > 0; count--)
    pairs.emplace_back("v" + std::to_string(count), some_value(dice));
  return made::pickled(dice.one_in(4) ? made::dict({{"state_dict", made::dict(pairs)}}) : made::dict(pairs));
}

void mutate_pickle(std::string& pickle, Dice& dice, const ByteMutator& bytes) {
  if (dice.one_in(8)) return bytes(pickle);
  auto all = operations_of(pickle);
  for (size_t changes = 1 + dice.below(4); changes > 0; changes--) {
    const size_t at = dice.below(all.size() + 1), count = 1 + dice.below(dice.one_in(4) ? 12 : 2);
    const auto place = all.begin() + static_cast<std::ptrdiff_t>(at);
    const auto last = all.begin() + static_cast<std::ptrdiff_t>(std::min(at + count, all.size()));
    switch (dice.below(6)) {
      case 0:
        all.insert(place, some_operation(dice));
        break;
      case 1:
        all.erase(place, last);
        break;
      case 2: {
        const std::vector<std::string> copy(place, last);
        all.insert(all.begin() + static_cast<std::ptrdiff_t>(dice.below(all.size() + 1)), copy.begin(),
                   copy.end());
        break;
      }
      case 3:
        if (at < all.size()) all[at] = some_operation(dice);
        break;
      default:
        if (at < all.size()) mutate_operation(all[at], dice, bytes);
    }
  }
  pickle.clear();
  for (const std::string& operation : all) pickle += operation;
  if (!pickle.starts_with("\x80") && !dice.one_in(32)) pickle = "\x80\x02" + pickle;
  if (!pickle.ends_with(".") && !dice.one_in(32)) pickle += ".";
}

}  // namespace tongueforge::fuzz
