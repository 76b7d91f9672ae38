// The words and labels of a fastText model, and the rows of its matrix that a text is made of: words,
// character n-grams of each (Bojanowski et al. 2017) and n-grams of words, the latter two by their hash.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/fasttext_bytes.h"

namespace tongueforge::text {

/// How texts are cut, as the head of the file says.
struct FastTextGrams {
  int32_t words = 1;            // longest n-gram of words
  int32_t bucket = 0;           // rows for n-grams, after those of words
  int32_t least = 0, most = 0;  // length of n-grams of characters; most 0 = none
};

/// FNV-1a of 32 bits over signed bytes: what lies above 0x7f is extended by its sign, as fastText does.
uint32_t fasttext_hash(std::string_view text);

class FastTextDictionary {
 public:
  /// @throws ERR_FASTTEXT
  static FastTextDictionary read(FastTextBytes& bytes, const FastTextGrams& grams);

  int64_t num_words() const { return num_words_; }
  const std::vector<std::string_view>& labels() const { return labels_; }
  /// How often each label stood in the text that was learnt from.
  const std::vector<int64_t>& label_counts() const { return label_counts_; }
  bool is_pruned() const { return pruned_; }
  /// One more than the highest row that a text can ask for.
  int64_t num_rows() const;

  /// Rows of one line of text; line breaks are spaces.
  std::vector<int64_t> rows_of(std::string_view text) const;

 private:
  void read_entries(FastTextBytes& bytes, int32_t count);
  void read_kept_grams(FastTextBytes& bytes, int64_t count);
  void add_word(std::string_view word, std::vector<int64_t>& rows, std::vector<int32_t>& hashes) const;
  void add_characters(std::string_view word, std::vector<int64_t>& rows) const;
  void add_words(const std::vector<int32_t>& hashes, std::vector<int64_t>& rows) const;
  void add_gram(int32_t bucket, std::vector<int64_t>& rows) const;

  FastTextGrams grams_;
  int32_t num_words_ = 0;
  bool pruned_ = false;
  std::unordered_map<std::string_view, int32_t> ids_;  // words, then labels
  std::unordered_map<int32_t, int32_t> kept_;          // of a pruned model: bucket to row after the words
  std::vector<std::string_view> labels_;
  std::vector<int64_t> label_counts_;
};

}  // namespace tongueforge::text
