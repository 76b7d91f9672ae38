// Learns the merges of a byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909): the most frequent pair
// of neighbours becomes a token, again and again. It starts from words that are already cut into tokens. Cut
// into characters, it makes a new tokenizer; cut as an old tokenizer cuts them, it goes on from there: the
// new merges stand behind the old ones, so the old ones keep their ranks and every new token can be reached.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/job.h"

namespace tongueforge::text {

struct BpeCorpus {
  /// Text of each token, by id.
  std::vector<std::string> tokens;
  /// Ids of the words, end to end.
  std::vector<int32_t> words;
  /// Ids of each word.
  std::vector<int32_t> lengths;
  /// How often each word stands in the text.
  std::vector<int64_t> counts;
};

struct BpeOptions {
  /// Tokens at the end, those of the corpus included.
  int64_t vocab_size = 0;
  /// A pair that is rarer is not merged.
  int64_t min_count = 1;
  /// Longest token in characters; 0 = any.
  int64_t max_token_length = 0;
  /// Ends once this share of the words, by how often they stand in the text, are one token each; 0 = never.
  double coverage = 0;
  /// Tokens that no merge takes part in or ends in: special ones, and those that stand for a byte.
  std::vector<int32_t> reserved = {};
  /// A pair whose text is a token already is not merged: every new token has one way to be made, so that an
  /// encoder does what training saw, also where it goes on from older merges.
  bool only_new = false;
  int threads = 1;
};

struct BpeMerge {
  int32_t left, right, result;
  /// Of the pair, when it was merged.
  int64_t count;
};

struct BpeMerges {
  /// In order of rank; each pair once, where it was merged first. A result below the size of the vocabulary
  /// so far is a token that was there.
  std::vector<BpeMerge> merges;
  /// Of the whole text.
  int64_t tokens_before = 0, tokens_after = 0;
  /// Share of the words of the text that are one token.
  double coverage = 0;
};

/// The same for any number of threads. Pairs of equal count: the smaller ids come first. A merge whose text
/// is a token already gives that token. From words of single characters, the merges, their order and their
/// counts are those of the trainer of the Python library `tokenizers`, whose max_token_length is one more
/// than ours for the same effect. Progress: {done, total} new tokens. Throws ERR_INTERNAL for ids that no
/// token has.
BpeMerges train_bpe(BpeCorpus corpus, const BpeOptions& options, Job& job);

}  // namespace tongueforge::text
