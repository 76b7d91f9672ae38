#include "text/bpe_trainer.h"

#include <algorithm>
#include <atomic>
#include <random>

#include "core/error.h"
#include "doctest.h"
#include "text/bpe_reference.h"

using namespace tongueforge;
using test::corpus_of;
using test::random_corpus;
using test::Rule;
using test::rules_of;
using test::SlowTrainer;

namespace {

text::BpeMerges trained(const text::BpeCorpus& corpus, const text::BpeOptions& options) {
  SilentJob job;
  return text::train_bpe(corpus, options, job);
}

std::vector<Rule> learnt(const text::BpeCorpus& corpus, const text::BpeOptions& options) {
  return rules_of(trained(corpus, options).merges);
}

// Is cancelled once it was asked so many times.
class PatientJob final : public Job {
 public:
  explicit PatientJob(int patience) : patience_(patience) {}
  bool cancelled() const override { return ++asked_ > patience_; }
  void progress(Value) override {}
  void emit(Value) override {}

 private:
  int patience_;
  mutable std::atomic<int> asked_ = 0;
};

}  // namespace

TEST_CASE("the textbook's four words give the merges that one counts by hand") {
  // d 0, e 1, i 2, l 3, n 4, o 5, r 6, s 7, t 8, w 9; of equal counts the smaller pair of ids comes first
  const auto corpus = corpus_of({{"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}});
  const std::vector<Rule> expected = {
      {1, 7, 10, 9},   // es: newest, widest
      {10, 8, 11, 9},  // est
      {3, 5, 12, 7},   // lo: low, lower
      {12, 9, 13, 7},  // low
      {1, 9, 14, 6},   // ew before ne and w est: the e comes first
      {4, 14, 15, 6},  // new
      {15, 11, 16, 6}  // newest
  };
  const auto result = trained(corpus, {.vocab_size = 17});
  CHECK(rules_of(result.merges) == expected);
  CHECK(result.tokens_before == 5 * 3 + 2 * 5 + 6 * 6 + 3 * 6);
  CHECK(result.tokens_after == 5 * 1 + 2 * 3 + 6 * 1 + 3 * 4);
  CHECK(result.coverage == doctest::Approx((5 + 6) / 16.0));
}

TEST_CASE("training ends at the vocabulary's size, at min_count, and when nothing is left") {
  const auto corpus = corpus_of({{"ab", 3}, {"cd", 2}, {"ef", 1}});
  CHECK(learnt(corpus, {.vocab_size = 7}) == std::vector<Rule>{{0, 1, 6, 3}});
  CHECK(learnt(corpus, {.vocab_size = 99, .min_count = 2}) == std::vector<Rule>{{0, 1, 6, 3}, {2, 3, 7, 2}});
  CHECK(learnt(corpus, {.vocab_size = 99}).size() == 3);
  CHECK(learnt(corpus, {.vocab_size = 6}).empty());
  CHECK(learnt(corpus, {.vocab_size = 0}).empty());
  CHECK(learnt({}, {.vocab_size = 9}).empty());
}

TEST_CASE("training ends when enough words are one token, by how often they stand in the text") {
  const auto corpus = corpus_of({{"ab", 6}, {"cd", 3}, {"e", 1}});
  const auto first = trained(corpus, {.vocab_size = 99, .coverage = 0.7});
  CHECK(first.merges.size() == 1);
  CHECK(first.coverage == doctest::Approx(0.7));
  CHECK(trained(corpus, {.vocab_size = 99, .coverage = 0.71}).merges.size() == 2);
  CHECK(trained(corpus, {.vocab_size = 99, .coverage = 0.1}).merges.empty());  // the e alone
}

TEST_CASE("no token is longer than max_token_length characters, however many bytes they have") {
  const auto corpus = corpus_of({{"abcdef", 5}, {"abcde", 6}, {"abcd", 6}, {"abc", 7}, {"ab", 8}});
  for (const int64_t longest : {1, 2, 3, 4, 5, 6}) {
    auto tokens = corpus.tokens;
    for (const auto& [left, right, result, count] :
         trained(corpus, {.vocab_size = 99, .max_token_length = longest}).merges)
      tokens.push_back(tokens[left] + tokens[right]);
    size_t most = 0;
    for (const auto& token : tokens) most = std::max(most, token.size());
    CHECK(most == static_cast<size_t>(longest));
  }
  const text::BpeCorpus chinese{{"中", "文", "字"}, {0, 1, 2}, {3}, {4}};
  CHECK(learnt(chinese, {.vocab_size = 9, .max_token_length = 2}) == std::vector<Rule>{{0, 1, 3, 4}});
}

TEST_CASE("a merge whose text is a token already gives that token and costs no place") {
  const auto corpus = corpus_of({{"abc", 4}}, {"abc"});
  CHECK(learnt(corpus, {.vocab_size = 5}) == std::vector<Rule>{{0, 1, 4, 4}});
  CHECK(learnt(corpus, {.vocab_size = 6}) == std::vector<Rule>{{0, 1, 4, 4}, {4, 2, 3, 4}});
}

TEST_CASE(
    "only_new: a merge whose text is a token already is passed over, and every token is made in one way") {
  const auto corpus = corpus_of({{"abc", 4}}, {"abc"});
  CHECK(learnt(corpus, {.vocab_size = 99, .only_new = true}) == std::vector<Rule>{{0, 1, 4, 4}});
  // aaa is a and aa in one word, aa and a in the other
  const text::BpeCorpus runs{{"a", "b", "aa"}, {0, 2, 2, 0}, {2, 2}, {5, 4}};
  CHECK(learnt(runs, {.vocab_size = 99, .only_new = true}) == std::vector<Rule>{{0, 2, 3, 5}});
  for (uint32_t seed = 1; seed <= 50; seed++) {
    CAPTURE(seed);
    const auto words = random_corpus(seed, 40, 1 + static_cast<int>(seed % 5), 12);
    std::vector<std::string> texts = words.tokens;
    for (const auto& merge : trained(words, {.vocab_size = 99, .only_new = true}).merges) {
      const std::string text = texts[merge.left] + texts[merge.right];
      CHECK(std::find(texts.begin(), texts.end(), text) == texts.end());
      CHECK(merge.result == static_cast<int32_t>(texts.size()));
      texts.push_back(text);
    }
  }
}

TEST_CASE("words may be given as tokens of several characters: training goes on from there") {
  // "lower" as an old tokenizer cuts it: low er
  const text::BpeCorpus corpus{{"low", "er", "new", "est"}, {0, 1, 2, 3, 0}, {2, 2, 1}, {3, 5, 100}};
  CHECK(learnt(corpus, {.vocab_size = 6}) == std::vector<Rule>{{2, 3, 4, 5}, {0, 1, 5, 3}});
}

TEST_CASE("reserved tokens take part in no merge, and none ends in one") {
  const auto corpus = corpus_of({{"ab", 9}, {"bc", 5}, {"cd", 3}}, {"bc"});
  const std::vector<Rule> without = {{2, 3, 5, 3}};
  CHECK(learnt(corpus, {.vocab_size = 99, .reserved = {0, 4}}) == without);
}

TEST_CASE("random corpora, runs of one letter included: the merges are those of counting every pair anew") {
  for (uint32_t seed = 1; seed <= 120; seed++) {
    CAPTURE(seed);
    const auto corpus = random_corpus(seed, 40, 1 + static_cast<int>(seed % 5), 12);
    const text::BpeOptions options{
        .vocab_size = 60, .min_count = 1 + seed % 3, .max_token_length = seed % 4 == 0 ? 5 : 0};
    CHECK(learnt(corpus, options) == SlowTrainer(corpus, options).run());
  }
}

TEST_CASE("words that were cut in several ways: pairs arise again, and still no count is wrong") {
  // abx is merged first; then ab arises from a b, and with it ab x again
  const text::BpeCorpus corpus{{"a", "b", "x", "ab"}, {3, 2, 0, 1, 2}, {2, 3}, {10, 5}};
  CHECK(learnt(corpus, {.vocab_size = 6}) == std::vector<Rule>{{3, 2, 4, 10}, {0, 1, 3, 5}});
  CHECK(trained(corpus, {.vocab_size = 6}).tokens_after == 15);
  size_t repeated = 0;
  for (uint32_t seed = 1; seed <= 60; seed++) {
    CAPTURE(seed);
    const auto letters = random_corpus(seed, 40, 2 + static_cast<int>(seed % 4), 12);
    const auto old = trained(letters, {.vocab_size = 16}).merges;
    const auto recut = test::recut(letters, old, seed);
    const text::BpeOptions options{.vocab_size = 60, .min_count = 1 + seed % 3};
    CHECK(learnt(recut, options) == SlowTrainer(recut, options).run());
    for (const auto& merge : trained(recut, options).merges) repeated += merge.result < 16;
  }
  CHECK(repeated > 100);
}

TEST_CASE("any number of threads gives the same merges") {
  for (uint32_t seed = 1; seed <= 3; seed++) {
    CAPTURE(seed);
    const auto corpus = random_corpus(seed, 30000, 4 + static_cast<int>(seed), 14);
    const auto alone = trained(corpus, {.vocab_size = 700});
    REQUIRE(alone.merges.size() > 600);
    for (const int threads : {2, 3, 7}) {
      const auto together = trained(corpus, {.vocab_size = 700, .threads = threads});
      CHECK(rules_of(together.merges) == rules_of(alone.merges));
      CHECK(together.tokens_after == alone.tokens_after);
      CHECK(together.coverage == alone.coverage);
    }
  }
}

TEST_CASE("the tokens told are those that applying the merges in order leaves") {
  const auto corpus = random_corpus(5, 300, 6, 10);
  const auto result = trained(corpus, {.vocab_size = 90});
  int64_t tokens = 0;
  auto id = corpus.words.begin();
  for (size_t i = 0; i < corpus.lengths.size(); i++) {
    std::vector<int32_t> word(id, id + corpus.lengths[i]);
    id += corpus.lengths[i];
    for (const auto& rule : result.merges) {
      for (size_t k = 0; k + 1 < word.size(); k++)
        if (word[k] == rule.left && word[k + 1] == rule.right) {
          word[k] = rule.result;
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(k) + 1);
        }
    }
    tokens += static_cast<int64_t>(word.size()) * corpus.counts[i];
  }
  CHECK(result.tokens_after == tokens);
}

TEST_CASE("counts beyond 32 bits are counts") {
  const int64_t many = int64_t{1} << 40;
  const auto result = trained(corpus_of({{"ab", many}, {"bc", many + 1}}), {.vocab_size = 5});
  CHECK(rules_of(result.merges) == std::vector<Rule>{{1, 2, 3, many + 1}, {0, 1, 4, many}});
}

TEST_CASE("a job that is cancelled ends, wherever it is asked") {
  const auto corpus = random_corpus(1, 20000, 6, 10);
  for (const int patience : {0, 5, 25, 60}) {
    PatientJob job(patience);
    CHECK_THROWS_AS(text::train_bpe(corpus, {.vocab_size = 400}, job), Cancelled);
  }
  PatientJob counting(10);  // nothing to merge: the words alone are counted
  CHECK_THROWS_AS(text::train_bpe(corpus, {.vocab_size = 0}, counting), Cancelled);
}

TEST_CASE("ids that no token has, and lengths of other words, are refused") {
  const auto message = [](const text::BpeCorpus& corpus, const text::BpeOptions& options) -> std::string {
    try {
      trained(corpus, options);
    } catch (const Error& error) { return error.code() + ": " + error.message(); }
    return "accepted";
  };
  const text::BpeCorpus good{{"a", "b"}, {0, 1}, {2}, {1}};
  auto outside = good, negative = good, longer = good, uncounted = good;
  outside.words[1] = 2;
  negative.words[1] = -1;
  longer.lengths[0] = 3;
  uncounted.counts.clear();
  CHECK(message(good, {.vocab_size = 3}) == "accepted");
  CHECK(message(outside, {}) == "ERR_INTERNAL: words: expected ids below 2, received 2");
  CHECK(message(negative, {}) == "ERR_INTERNAL: words: expected ids below 2, received -1");
  CHECK(message(good, {.reserved = {7}}) == "ERR_INTERNAL: reserved: expected ids below 2, received 7");
  CHECK(message(longer, {}) == "ERR_INTERNAL: lengths: expected a sum of 2 and 1 words, received 3 and 1");
  CHECK(message(uncounted, {}) == "ERR_INTERNAL: lengths: expected a sum of 2 and 0 words, received 2 and 1");
}
