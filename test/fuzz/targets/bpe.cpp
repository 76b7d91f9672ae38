// The BPE trainer on small corpora, against one that counts anew in every step.
#include "bytes.h"
#include "core/error.h"
#include "target.h"
#include "targets.h"
#include "text/bpe_reference.h"
#include "text/bpe_trainer.h"

namespace tongueforge::fuzz {
namespace {

constexpr size_t kHead = 8, kMostWords = 16, kLongest = 12;
constexpr int32_t kMostTokens = 12;

struct Case {
  text::BpeCorpus corpus;
  text::BpeOptions options;
};

/// Eight bytes of options, then words: a length, a count, ids. Texts of tokens are letters, some of them two.
Case case_of(std::string_view input) {
  const auto head = [&](size_t i) { return static_cast<int32_t>(number_at(input, i, 1)); };
  Case out;
  const int32_t tokens = 1 + head(0) % 8;
  for (int32_t i = 0; i < tokens; i++)
    out.corpus.tokens.push_back(std::string(1, static_cast<char>('a' + i)) +
                                (i > 0 && head(1) >> i & 1 ? "a" : ""));
  out.options = {.vocab_size = tokens + head(2) % kMostTokens,
                 .min_count = head(3) % 4,
                 .max_token_length = head(4) % 6,
                 .only_new = (head(5) & 1) != 0,
                 .threads = 1 + (head(5) >> 1 & 1)};
  if (head(5) & 4) out.options.reserved.push_back(head(6) % tokens);
  if (head(5) & 8) out.options.coverage = head(7) / 255.0;
  for (size_t at = kHead; at + 2 <= input.size() && out.corpus.counts.size() < kMostWords;) {
    const size_t length = std::min(number_at(input, at, 1) % kLongest, input.size() - at - 2);
    out.corpus.counts.push_back(static_cast<int64_t>(number_at(input, at + 1, 1))
                                << (number_at(input, at, 1) >> 4));
    out.corpus.lengths.push_back(static_cast<int32_t>(length));
    for (size_t i = 0; i < length; i++)
      out.corpus.words.push_back(static_cast<int32_t>(number_at(input, at + 2 + i, 1)) % tokens);
    at += 2 + length;
  }
  return out;
}

bool run(std::string_view input) {
  const auto [corpus, options] = case_of(input);
  SilentJob job;
  const auto learnt = text::train_bpe(corpus, options, job);
  int64_t before = 0;
  for (size_t i = 0; i < corpus.lengths.size(); i++) before += corpus.counts[i] * corpus.lengths[i];
  require(learnt.tokens_before == before && learnt.tokens_after <= before && learnt.tokens_after >= 0,
          "a text does not become longer");
  require(learnt.coverage >= 0 && learnt.coverage <= 1, "a share is one");
  auto size = static_cast<int32_t>(corpus.tokens.size());
  for (const auto& [left, right, result, count] : learnt.merges) {
    require(left < size && right < size && result <= size && count > 0,
            "a merge is of tokens that are there");
    size += result == size;
  }
  require(size <= std::max<int64_t>(options.vocab_size, static_cast<int64_t>(corpus.tokens.size())),
          "no token too many");
  const bool plain =
      !options.only_new && options.reserved.empty() && options.coverage <= 0 && options.min_count > 0;
  if (plain)
    require(test::rules_of(learnt.merges) == test::SlowTrainer(corpus, options).run(),
            "merges are those of the slow trainer");
  return plain;
}

std::string fresh(Dice& dice) {
  std::string out = dice.bytes(kHead);
  for (size_t words = dice.below(16); words > 0; words--) {
    const size_t length = dice.below(kLongest);
    out += little(length, 1) + little(1 + dice.below(9), 1);
    for (size_t i = 0; i < length; i++) out += static_cast<char>(dice.below(4));
  }
  return out;
}

void mutate(std::string& input, Dice& dice, const ByteMutator& bytes) {
  if (dice.one_in(32)) input = fresh(dice);
  bytes(input);
}

size_t memory(size_t input_bytes) { return 64 * input_bytes + (4 << 20); }

}  // namespace

const Target bpe = {"bpe", run, fresh, mutate, memory};

}  // namespace tongueforge::fuzz
