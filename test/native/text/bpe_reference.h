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

  /// The most frequent pair of all, each time; nothing is said of words that a pair waits to be merged in.
  std::vector<Rule> run_plainly() {
    std::vector<Rule> rules;
    while (static_cast<int64_t>(tokens_.size()) < options_.vocab_size) {
      const auto all = pairs();
      const auto best = std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second < b.second : a.first > b.first;
      });
      if (best == all.end() || best->second < options_.min_count) break;
      const int32_t result = merged(best->first);
      rules.emplace_back(best->first.first, best->first.second, result, best->second);
      for (auto& word : words_) replace(word, best->first, result);
    }
    return rules;
  }

  /// As the Python trainer does it where pairs arise again: a pair is merged in the words it waits for alone,
  /// each group of words in its own turn, and what was merged before still counts. A repeated pair keeps its
  /// last place.
  std::vector<Rule> run() {
    std::vector<Rule> rules;
    std::map<Pair, int64_t> gone;
    struct Waiting {
      int64_t count;
      Pair pair;
      std::set<size_t> words;
    };
    std::vector<Waiting> queue;
    const auto count_of = [&](Pair pair) { return pairs()[pair] + gone[pair]; };
    std::map<Pair, std::set<size_t>> begun;
    for (size_t i = 0; i < words_.size(); i++)
      for (size_t k = 0; k + 1 < words_[i].size(); k++) begun[{words_[i][k], words_[i][k + 1]}].insert(i);
    while (static_cast<int64_t>(tokens_.size()) < options_.vocab_size) {
      for (const auto& [pair, words] : begun)
        if (mergeable(pair)) queue.push_back({count_of(pair), pair, words});
      begun.clear();
      Waiting best;
      for (;;) {
        const auto top = std::max_element(queue.begin(), queue.end(), [](const auto& a, const auto& b) {
          return a.count != b.count ? a.count < b.count : a.pair > b.pair;
        });
        if (top == queue.end()) return last_of_each(rules);
        if (top->count == count_of(top->pair)) {
          best = *top;
          queue.erase(top);
          break;
        }
        top->count = count_of(top->pair);
      }
      if (best.count < std::max<int64_t>(options_.min_count, 1)) break;
      const int32_t result = merged(best.pair);
      rules.emplace_back(best.pair.first, best.pair.second, result, best.count);
      for (const size_t i : best.words) {
        gone[best.pair] += counts_[i] * replace(words_[i], best.pair, result);
        for (size_t k = 0; k + 1 < words_[i].size(); k++)
          if (fresh_.count(k) + fresh_.count(k + 1) > 0) begun[{words_[i][k], words_[i][k + 1]}].insert(i);
      }
    }
    return last_of_each(rules);
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

  /// How many were replaced. Remembers where: other tokens of the same text may stand there from before.
  int64_t replace(std::vector<int32_t>& word, Pair pair, int32_t result) {
    std::vector<int32_t> out;
    fresh_.clear();
    for (size_t k = 0; k < word.size(); k++) {
      if (word[k] == pair.first && k + 1 < word.size() && word[k + 1] == pair.second) {
        fresh_.insert(out.size());
        out.push_back(result);
        k++;
      } else {
        out.push_back(word[k]);
      }
    }
    word = out;
    return static_cast<int64_t>(fresh_.size());
  }

  static std::vector<Rule> last_of_each(const std::vector<Rule>& rules) {
    std::vector<Rule> kept;
    for (size_t i = 0; i < rules.size(); i++) {
      const auto same = [&](const Rule& other) {
        return std::get<0>(other) == std::get<0>(rules[i]) && std::get<1>(other) == std::get<1>(rules[i]);
      };
      if (std::none_of(rules.begin() + static_cast<std::ptrdiff_t>(i) + 1, rules.end(), same))
        kept.push_back(rules[i]);
    }
    return kept;
  }

  text::BpeOptions options_;
  std::vector<std::string> tokens_;
  std::vector<int64_t> counts_;
  std::vector<std::vector<int32_t>> words_;
  std::set<size_t> fresh_;
};

}  // namespace tongueforge::test
