#include "made_fasttext.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "bytes.h"
#include "core/error.h"

namespace tongueforge::fuzz {
namespace {

/// Places in the head of a file, in int32s.
enum Field {
  kMagic,
  kVersion,
  kDim,
  kWindow,
  kEpochs,
  kLeastCount,
  kNegative,
  kWordGrams,
  kLoss,
  kKind,
  kBucket,
  kLeastGram,
  kMostGram,
  kRate,
  kFields
};
constexpr size_t kHeadBytes = 4 * kFields + 8, kDictionaryHead = 3 * 4 + 2 * 8;

struct Entry {
  std::string text;
  uint64_t count = 1;
};

/// What a file is made of; the sizes of its tables follow from it.
struct Model {
  std::array<uint32_t, kFields> head{};
  std::vector<Entry> words, labels;
  bool pruned = false, quantized = false, norms = false, quantized_output = false;
  std::vector<uint32_t> kept;  // buckets
  char weight = '\0';
};

std::string quantizer(uint32_t dim, uint32_t width, char weight) {
  width = std::clamp<uint32_t>(width, 1, dim);
  const uint32_t parts = (dim + width - 1) / width, last = dim % width == 0 ? width : dim % width;
  return little(dim, 4) + little(parts, 4) + little(width, 4) + little(last, 4) +
         std::string(size_t{dim} * 256 * 4, weight);
}

std::string matrix(uint64_t rows, uint32_t dim, bool quantized, bool norms, char weight) {
  const std::string size = little(rows, 8) + little(dim, 8);
  if (!quantized) return size + std::string(rows * dim * 4, weight);
  const std::string codes(rows * dim, '\7');
  return little(norms, 1) + size + little(codes.size(), 4) + codes + quantizer(dim, 1, weight) +
         (norms ? std::string(rows, '\3') + quantizer(1, 1, weight) : "");
}

std::string file_of(const Model& model) {
  std::string out;
  for (const uint32_t field : model.head) out += little(field, 4);
  out += little(0, 8) + little(model.words.size() + model.labels.size(), 4) + little(model.words.size(), 4) +
         little(model.labels.size(), 4) + little(9, 8) +
         little(model.pruned ? model.kept.size() : ~uint64_t{0}, 8);
  for (const Entry& word : model.words) out += word.text + '\0' + little(word.count, 8) + '\0';
  for (const Entry& label : model.labels) out += label.text + '\0' + little(label.count, 8) + '\1';
  if (model.pruned)
    for (size_t i = 0; i < model.kept.size(); i++) out += little(model.kept[i], 4) + little(i, 4);
  const uint32_t dim = std::clamp<uint32_t>(model.head[kDim], 1, 16);
  const uint64_t grams = model.pruned ? model.kept.size() : std::min<uint32_t>(model.head[kBucket], 64);
  out += little(model.quantized, 1) +
         matrix(model.words.size() + grams, dim, model.quantized, model.norms, model.weight);
  const bool quantized_output = model.quantized && model.quantized_output;
  return out + little(model.quantized_output, 1) +
         matrix(model.labels.size(), dim, quantized_output, false, model.weight);
}

/// As much of a file as can be taken for one.
Model model_of(std::string_view file, Dice& dice) {
  Model model;
  for (size_t i = 0; i < kFields; i++) model.head[i] = static_cast<uint32_t>(number_at(file, 4 * i, 4));
  const uint64_t words = number_at(file, kHeadBytes + 4, 4), all = number_at(file, kHeadBytes, 4);
  const auto kept = static_cast<int64_t>(number_at(file, kHeadBytes + 20, 8));
  size_t at = kHeadBytes + kDictionaryHead;
  for (uint64_t i = 0; i < std::min<uint64_t>(all, 64) && at < file.size(); i++) {
    const size_t end = std::min(file.find('\0', at), file.size());
    (i < words ? model.words : model.labels)
        .push_back({std::string(file.substr(at, end - at)), number_at(file, end + 1, 8)});
    at = end + 10;
  }
  model.pruned = kept >= 0;
  for (int64_t i = 0; i < std::min<int64_t>(kept, 16); i++, at += 8)
    model.kept.push_back(static_cast<uint32_t>(number_at(file, at, 4)));
  model.quantized = model.pruned || number_at(file, at, 1) == 1;
  model.norms = dice.one_in(2), model.quantized_output = dice.one_in(2);
  model.weight = static_cast<char>(dice.one_in(2) ? 0 : dice.next());
  return model;
}

void mutate_model(Model& model, Dice& dice, const ByteMutator& bytes) {
  auto& entries = dice.one_in(2) ? model.words : model.labels;
  const size_t at = dice.below(entries.size());
  switch (dice.below(9)) {
    case 0:
    case 1:
      model.head[dice.below(kFields)] = static_cast<uint32_t>(dice.one_in(2) ? dice.below(8) : dice.number());
      break;
    case 2:
      model.head[kDim] = static_cast<uint32_t>(1 + dice.below(3));
      break;
    case 3:
      model.head[kLoss] = static_cast<uint32_t>(1 + dice.below(4));
      break;
    case 4:
      entries.push_back({std::string(dice.of({"w0", "__label__x", "</s>", "", "\xc3\xa9"})), dice.number()});
      break;
    case 5:
      if (!entries.empty()) bytes(entries[at].text);
      break;
    case 6:
      if (!entries.empty()) entries[at].count = dice.number();
      break;
    case 7:
      model.quantized = !model.quantized;
      break;
    default:
      model.pruned = !model.pruned;
      model.kept.assign(dice.below(4), static_cast<uint32_t>(dice.below(8)));
  }
  std::erase_if(entries, [](const Entry& entry) { return entry.text.find('\0') != std::string::npos; });
}

}  // namespace

std::string made_fasttext(Dice& dice) {
  Model model;
  model.head = {793712314,
                12,
                static_cast<uint32_t>(1 + dice.below(2)),
                5,
                5,
                1,
                5,
                static_cast<uint32_t>(1 + dice.below(3)),
                static_cast<uint32_t>(1 + dice.below(4)),
                3,
                static_cast<uint32_t>(1 + dice.below(9)),
                static_cast<uint32_t>(dice.below(3)),
                static_cast<uint32_t>(dice.below(5)),
                100};
  for (size_t i = dice.below(4); i > 0; i--) model.words.push_back({str('w', i - 1), 9 - i});
  for (size_t i = 1 + dice.below(3); i > 0; i--) model.labels.push_back({"__label__" + std::to_string(i), i});
  model.quantized = dice.one_in(3), model.norms = dice.one_in(2), model.quantized_output = dice.one_in(2);
  model.pruned = model.quantized && dice.one_in(2);
  for (size_t i = dice.below(3); i > 0; i--) model.kept.push_back(static_cast<uint32_t>(i));
  return file_of(model);
}

void mutate_fasttext(std::string& input, Dice& dice, const ByteMutator& bytes) {
  if (dice.one_in(8)) return bytes(input);
  if (dice.one_in(32) || input.size() < kHeadBytes + kDictionaryHead) input = made_fasttext(dice);
  if (dice.one_in(4)) return put_edge(input, dice);
  Model model = model_of(input, dice);
  for (size_t changes = 1 + dice.below(2); changes > 0; changes--) mutate_model(model, dice, bytes);
  input = file_of(model);
  if (dice.one_in(8)) put_edge(input, dice);
}

}  // namespace tongueforge::fuzz
