#include "text/fasttext_dictionary.h"

#include <algorithm>

namespace tongueforge::text {
namespace {

constexpr std::string_view kEndOfLine = "</s>", kLabelPrefix = "__label__";
constexpr std::string_view kSpaces{" \n\r\t\v\f\0", 7};
/// In all texts together: sums stay below what fastText's tree takes for "not yet made".
constexpr int64_t kMostCount = 1'000'000'000'000'000;

bool continues_character(char byte) { return (static_cast<uint8_t>(byte) & 0xc0) == 0x80; }

}  // namespace

uint32_t fasttext_hash(std::string_view text) {
  uint32_t hash = 2166136261;
  for (const char byte : text) {
    hash ^= static_cast<uint32_t>(static_cast<int8_t>(byte));
    hash *= 16777619;
  }
  return hash;
}

FastTextDictionary FastTextDictionary::read(FastTextBytes& bytes, const FastTextGrams& grams) {
  FastTextDictionary dictionary;
  dictionary.grams_ = grams;
  const auto size = bytes.number<int32_t>("words and labels", 0, INT32_MAX);
  dictionary.num_words_ = bytes.number<int32_t>("words", 0, size);
  const int32_t labels = size - dictionary.num_words_;
  bytes.number<int32_t>("labels", labels, labels);
  bytes.number<int64_t>("tokens", 0, INT64_MAX);
  const auto kept = bytes.number<int64_t>("kept n-grams", -1, INT32_MAX);
  dictionary.read_entries(bytes, size);
  dictionary.pruned_ = kept >= 0;
  if (dictionary.pruned_) dictionary.read_kept_grams(bytes, kept);
  return dictionary;
}

void FastTextDictionary::read_entries(FastTextBytes& bytes, int32_t count) {
  int64_t total = 0;
  for (int32_t i = 0; i < count; i++) {
    const bool is_label = i >= num_words_;
    const std::string_view text = bytes.text(is_label ? "a label" : "a word");
    const uint64_t count_at = bytes.at();
    const auto times = bytes.number<int64_t>("the count of a word or label", 0, kMostCount - 1);
    bytes.number<int8_t>("the kind of a word (0) or label (1)", is_label, is_label);
    ids_[text] = i;  // of two alike the last counts, as in fastText
    if (!is_label) continue;
    total += times;
    if (total >= kMostCount)
      bytes.refuse(count_at, "out_of_range",
                   str("expected labels that stand less than ", kMostCount, " times in all"));
    labels_.push_back(text);
    label_counts_.push_back(times);
  }
}

void FastTextDictionary::read_kept_grams(FastTextBytes& bytes, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const auto bucket = bytes.number<int32_t>("the number of an n-gram", 0, INT32_MAX);
    kept_[bucket] = bytes.number<int32_t>("the row of an n-gram", 0, static_cast<int32_t>(count - 1));
  }
}

int64_t FastTextDictionary::num_rows() const {
  if (pruned_) {
    int64_t rows = num_words_;
    for (const auto& [bucket, row] : kept_) rows = std::max(rows, int64_t{num_words_} + row + 1);
    return rows;
  }
  const bool has_grams = grams_.most > 0 || grams_.words > 1;
  return int64_t{num_words_} + (has_grams ? grams_.bucket : 0);
}

std::vector<int64_t> FastTextDictionary::rows_of(std::string_view text) const {
  std::vector<int64_t> rows;
  std::vector<int32_t> hashes;
  for (size_t begin = text.find_first_not_of(kSpaces); begin != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kSpaces, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    if (word == kEndOfLine) break;  // the line ends here for fastText
    add_word(word, rows, hashes);
    begin = text.find_first_not_of(kSpaces, end);
  }
  add_word(kEndOfLine, rows, hashes);
  add_words(hashes, rows);
  return rows;
}

void FastTextDictionary::add_word(std::string_view word, std::vector<int64_t>& rows,
                                  std::vector<int32_t>& hashes) const {
  const auto known = ids_.find(word);
  const bool is_label = known != ids_.end() ? known->second >= num_words_ : word.starts_with(kLabelPrefix);
  if (is_label) return;
  if (known != ids_.end()) rows.push_back(known->second);
  if (word != kEndOfLine) add_characters(word, rows);
  hashes.push_back(static_cast<int32_t>(fasttext_hash(word)));
}

void FastTextDictionary::add_characters(std::string_view word, std::vector<int64_t>& rows) const {
  if (grams_.most == 0) return;
  const std::string marked = str('<', word, '>');
  for (size_t begin = 0; begin < marked.size(); begin++) {
    if (continues_character(marked[begin])) continue;
    size_t end = begin;
    for (int32_t length = 1; end < marked.size() && length <= grams_.most; length++) {
      end++;
      while (end < marked.size() && continues_character(marked[end])) end++;
      const bool is_mark = length == 1 && (begin == 0 || end == marked.size());
      if (length < grams_.least || is_mark) continue;
      const uint32_t hash = fasttext_hash(std::string_view(marked).substr(begin, end - begin));
      add_gram(static_cast<int32_t>(hash % static_cast<uint32_t>(grams_.bucket)), rows);
    }
  }
}

void FastTextDictionary::add_words(const std::vector<int32_t>& hashes, std::vector<int64_t>& rows) const {
  const auto extended = [](int32_t hash) { return static_cast<uint64_t>(int64_t{hash}); };
  for (size_t i = 0; i < hashes.size(); i++) {
    uint64_t hash = extended(hashes[i]);
    const size_t end = std::min(hashes.size(), i + static_cast<size_t>(grams_.words));
    for (size_t j = i + 1; j < end; j++) {
      hash = hash * 116049371 + extended(hashes[j]);
      add_gram(static_cast<int32_t>(hash % static_cast<uint64_t>(grams_.bucket)), rows);
    }
  }
}

void FastTextDictionary::add_gram(int32_t bucket, std::vector<int64_t>& rows) const {
  if (!pruned_) return rows.push_back(int64_t{num_words_} + bucket);
  const auto kept = kept_.find(bucket);
  if (kept != kept_.end()) rows.push_back(int64_t{num_words_} + kept->second);
}

}  // namespace tongueforge::text
