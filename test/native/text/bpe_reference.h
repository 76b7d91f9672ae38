// What the trainer does, written without any of its shortcuts: every step counts all pairs anew. Also
// corpora.
#pragma once
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "text/bpe_trainer.h"

namespace tongueforge::test {

/// Words of one-byte characters; tokens are the characters in order, then `also`.
inline text::BpeCorpus corpus_of(const std::vector<std::pair<std::string, int64_t>>& words,
                                 const std::vector<std::string>& also = {}) {
  std::set<char> alphabet;
  for (const auto& [word, count] : words) alphabet.insert(word.begin(), word.end());
  text::BpeCorpus corpus;
  std::map<char, int32_t> ids;
  for (const char letter : alphabet) {
    ids[letter] = static_cast<int32_t>(corpus.tokens.size());
    corpus.tokens.emplace_back(1, letter);
  }
  corpus.tokens.insert(corpus.tokens.end(), also.begin(), also.end());
  for (const auto& [word, count] : words) {
    for (const char letter : word) corpus.words.push_back(ids[letter]);
    corpus.lengths.push_back(static_cast<int32_t>(word.size()));
    corpus.counts.push_back(count);
  }
  return corpus;
}

/// The same words cut at random into the tokens that `corpus` would learn: as an old tokenizer may cut them,
/// one text in several ways.
inline text::BpeCorpus recut(text::BpeCorpus corpus, const std::vector<text::BpeMerge>& merges,
                             uint32_t seed) {
  std::mt19937 random(seed);
  for (const auto& merge : merges)
    corpus.tokens.push_back(corpus.tokens[merge.left] + corpus.tokens[merge.right]);
  std::vector<int32_t> all;
  auto id = corpus.words.begin();
  for (int32_t& length : corpus.lengths) {
    std::vector<int32_t> word(id, id + length);
    id += length;
    for (const auto& merge : merges)
      for (size_t k = 0; k + 1 < word.size(); k++)
        if (word[k] == merge.left && word[k + 1] == merge.right && random() % 2 == 0) {
          word[k] = merge.result;
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(k) + 1);
        }
    length = static_cast<int32_t>(word.size());
    all.insert(all.end(), word.begin(), word.end());
  }
  corpus.words = all;
  return corpus;
}

/// `size` words of up to `longest` letters, the first letters of the alphabet more often than the last.
inline text::BpeCorpus random_corpus(uint32_t seed, size_t size, int letters, int longest) {
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
  std::vector<std::pair<std::string, int64_t>> words;
  for (size_t i = 0; i < size; i++) {
    std::string word;
    for (int length = 1 + below(longest); length > 0; length--)
      word += static_cast<char>('a' + std::min(below(letters), below(letters)));
    words.emplace_back(word, 1 + below(9));
  }
  return corpus_of(words);
}

using Rule = std::tuple<int32_t, int32_t, int32_t, int64_t>;

inline std::vector<Rule> rules_of(const std::vector<text::BpeMerge>& merges) {
  std::vector<Rule> rules;
  for (const auto& [left, right, result, count] : merges) rules.emplace_back(left, right, result, count);
  return rules;
}

class SlowTrainer {
 public:
  using Pair = std::pair<int32_t, int32_t>;

  SlowTrainer(const text::BpeCorpus& corpus, const text::BpeOptions& options)
      : options_(options), tokens_(corpus.tokens), counts_(corpus.counts) {
    auto id = corpus.words.begin();
    for (const int32_t length : corpus.lengths) {
      words_.emplace_back(id, id + length);
      id += length;
    }
  }

  std::vector<Rule> run() {
    std::vector<Rule> rules;
    while (static_cast<int64_t>(tokens_.size()) < options_.vocab_size) {
      const auto all = pairs();
      const auto best = std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second < b.second : a.first > b.first;
      });
      if (best == all.end() || best->second < options_.min_count) break;
      const int32_t left = best->first.first, right = best->first.second;
      const int32_t result = merged(best->first);
      for (auto& word : words_) word = replaced(word, best->first, result);
      const bool again = std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
        return std::get<0>(rule) == left && std::get<1>(rule) == right;
      });
      if (!again) rules.emplace_back(left, right, result, best->second);
    }
    return rules;
  }

 private:
  std::map<Pair, int64_t> pairs() const {
    std::map<Pair, int64_t> all;
    for (size_t i = 0; i < words_.size(); i++)
      for (size_t k = 0; k + 1 < words_[i].size(); k++)
        if (mergeable({words_[i][k], words_[i][k + 1]})) all[{words_[i][k], words_[i][k + 1]}] += counts_[i];
    return all;
  }

  bool mergeable(Pair pair) const {
    const auto size = tokens_[pair.first].size() + tokens_[pair.second].size();
    return options_.max_token_length == 0 || static_cast<int64_t>(size) <= options_.max_token_length;
  }

  int32_t merged(Pair pair) {
    const std::string text = tokens_[pair.first] + tokens_[pair.second];
    const auto found = std::find(tokens_.begin(), tokens_.end(), text);
    if (found == tokens_.end()) tokens_.push_back(text);
    return static_cast<int32_t>(std::find(tokens_.begin(), tokens_.end(), text) - tokens_.begin());
  }

  static std::vector<int32_t> replaced(const std::vector<int32_t>& word, Pair pair, int32_t result) {
    std::vector<int32_t> out;
    for (size_t k = 0; k < word.size(); k++) {
      const bool found = word[k] == pair.first && k + 1 < word.size() && word[k + 1] == pair.second;
      out.push_back(found ? result : word[k]);
      if (found) k++;
    }
    return out;
  }

  text::BpeOptions options_;
  std::vector<std::string> tokens_;
  std::vector<int64_t> counts_;
  std::vector<std::vector<int32_t>> words_;
};

}  // namespace tongueforge::test
