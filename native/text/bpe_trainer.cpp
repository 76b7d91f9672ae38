#include "text/bpe_trainer.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/parts.h"
#include "text/bpe_words.h"
#include "text/pair_map.h"

namespace tongueforge::text {
namespace {

/// Below so many words a thread, starting it costs more than it does.
constexpr size_t kWordsPerThread = 4096;
/// Words between two questions whether the job goes on.
constexpr size_t kWordsPerCheck = 1024;
constexpr size_t kMergesPerProgress = 32;

// ---- tokens: text, length, and whether merges may use them ----

class Tokens {
 public:
  Tokens(std::vector<std::string> texts, const BpeOptions& options)
      : longest_(options.max_token_length > 0 ? options.max_token_length : kAnyLength) {
    for (auto& text : texts) add(std::move(text));
    for (const int32_t id : options.reserved) lengths_.at(id) = kReserved;
  }

  int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  bool reserved(int32_t id) const { return lengths_[id] == kReserved; }
  /// Whether two tokens may become one.
  bool mergeable(Pair pair) const { return lengths_[left_of(pair)] + lengths_[right_of(pair)] <= longest_; }

  /// The token of a pair's text, made if there is none.
  int32_t merged(Pair pair) {
    std::string text = texts_[left_of(pair)] + texts_[right_of(pair)];
    const auto found = ids_.find(text);
    return found == ids_.end() ? add(std::move(text)) : found->second;
  }

 private:
  static constexpr int64_t kAnyLength = std::numeric_limits<int32_t>::max();
  static constexpr int64_t kReserved = kAnyLength + 1;  // too long for every pair

  int32_t add(std::string text) {
    const auto id = size();
    const auto continues = [](char byte) { return (byte & 0xc0) == 0x80; };
    lengths_.push_back(static_cast<int64_t>(text.size()) -
                       std::count_if(text.begin(), text.end(), continues));
    texts_.push_back(std::move(text));
    ids_.emplace(texts_.back(), id);  // of several with one text the first
    return id;
  }

  std::deque<std::string> texts_;  // stay where they are: the map points at them
  std::vector<int64_t> lengths_;   // in characters
  std::unordered_map<std::string_view, int32_t> ids_;
  int64_t longest_;
};

// ---- what happens to pairs in one pass over words ----

struct PairChange {
  int64_t count = 0;
  /// Words where the pair begins to stand, ascending.
  std::vector<uint32_t> words;
};

struct Changes {
  PairMap<PairChange> pairs;
  int64_t merged = 0;     // pairs that became one token, over the text
  int64_t one_token = 0;  // words that became one token, over the text

  void add(Pair pair, int64_t count, size_t word) {
    PairChange& change = pairs[pair];
    change.count += count;
    const auto place = static_cast<uint32_t>(word);
    if (count > 0 && (change.words.empty() || change.words.back() != place)) change.words.push_back(place);
  }
};

struct PairState {
  int64_t count = 0;  // over the text
  bool merged = false;
  /// Where the pair may stand; ascending but for a pair that has arisen again.
  std::vector<uint32_t> words;
};

/// A pair that waits for its turn, with the count it had when it came.
struct Candidate {
  int64_t count;
  Pair pair;

  /// For a heap with the largest count on top, of equal ones the smaller pair.
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Trainer {
 public:
  Trainer(BpeCorpus corpus, const BpeOptions& options, Job& job)
      : options_(options),
        job_(job),
        tokens_(std::move(corpus.tokens), options),
        words_(std::move(corpus.words), corpus.lengths, std::move(corpus.counts)) {}

  BpeMerges run() {
    count_words();
    const int32_t begun = tokens_.size();
    while (tokens_.size() < options_.vocab_size && result_.coverage < wanted_coverage()) {
      job_.check();
      if (result_.merges.size() % kMergesPerProgress == 0)
        job_.progress(Value::Map{{"done", tokens_.size() - begun}, {"total", options_.vocab_size - begun}});
      const auto best = take_best();
      if (!best) break;
      apply(*best);
    }
    result_.tokens_after = result_.tokens_before - merged_;
    return std::move(result_);
  }

 private:
  double wanted_coverage() const {
    return options_.coverage > 0 ? options_.coverage : std::numeric_limits<double>::infinity();
  }

  void count_words() {
    for (size_t word = 0; word < words_.size(); word++) {
      num_words_ += words_.count(word);
      result_.tokens_before += words_.count(word) * words_.length(word);
    }
    take_over(in_parts(words_.size(), [this](size_t word, Changes& changes) {
      const int32_t* ids = words_.ids(word);
      for (uint32_t i = 0; i + 1 < words_.length(word); i++)
        note(pair_of(ids[i], ids[i + 1]), words_.count(word), word, changes);
      if (words_.length(word) == 1) changes.one_token += words_.count(word);
    }));
  }

  /// The most frequent pair, or nothing when all are rarer than min_count.
  std::optional<Candidate> take_best() {
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end());
      const Candidate top = queue_.back();
      queue_.pop_back();
      const int64_t count = pairs_[top.pair].count;
      if (count == top.count)
        return count < std::max<int64_t>(options_.min_count, 1) ? std::nullopt : std::optional(top);
      // Merging its neighbours made it rarer since it came: it waits again. A pair that became more frequent
      // came a second time.
      if (count > 0 && count < top.count) push({count, top.pair});
    }
    return std::nullopt;
  }

  void push(Candidate candidate) {
    queue_.push_back(candidate);
    std::push_heap(queue_.begin(), queue_.end());
  }

  void apply(const Candidate& best) {
    const int32_t num_tokens = tokens_.size();
    const int32_t result = tokens_.merged(best.pair);
    if (tokens_.reserved(result) || (options_.only_new && result < num_tokens)) return;
    const MergeRule rule{left_of(best.pair), right_of(best.pair), result};
    const std::vector<uint32_t> words = take_words(pairs_[best.pair]);
    if (!std::exchange(pairs_[best.pair].merged, true))
      result_.merges.push_back({rule.left, rule.right, rule.result, best.count});
    take_over(in_parts(words.size(), [&](size_t i, Changes& changes) {
      const size_t word = words[i];
      const int64_t count = words_.count(word);
      const uint32_t merged =
          words_.merge(word, rule, [&](Pair pair, int64_t sign) { note(pair, sign * count, word, changes); });
      changes.merged += merged * count;
      if (merged > 0 && words_.length(word) == 1) changes.one_token += count;
    }));
  }

  /// Each once: two threads must not meet in a word.
  static std::vector<uint32_t> take_words(PairState& state) {
    std::vector<uint32_t> words = std::move(state.words);
    state.words = {};
    if (!std::is_sorted(words.begin(), words.end())) std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    return words;
  }

  void note(Pair pair, int64_t count, size_t word, Changes& changes) const {
    if (tokens_.mergeable(pair)) changes.add(pair, count, word);
  }

  /// Calls work(i, changes) for 0..size, on several threads where that pays; the changes are in order of the
  /// parts.
  template <class Work>
  std::vector<Changes> in_parts(size_t size, const Work& work) {
    const size_t threads = static_cast<size_t>(std::max(options_.threads, 1));
    std::vector<Changes> parts(std::clamp<size_t>(size / kWordsPerThread, 1, threads));
    for_each_part(parts.size(), size, [&](size_t part, size_t begin, size_t end) {
      for (size_t i = begin; i < end; i++) {
        if (i % kWordsPerCheck == 0) job_.check();
        work(i, parts[part]);
      }
    });
    return parts;
  }

  /// Brings the counts up to date, and puts pairs that have begun to stand somewhere into the queue.
  void take_over(std::vector<Changes> parts) {
    Changes& all = parts.front();
    for (size_t i = 1; i < parts.size(); i++) {
      parts[i].pairs.for_each([&](Pair pair, PairChange& from) {
        PairChange& to = all.pairs[pair];
        to.count += from.count;
        to.words.insert(to.words.end(), from.words.begin(), from.words.end());
        from.words = {};
      });
      all.merged += parts[i].merged;
      all.one_token += parts[i].one_token;
    }
    all.pairs.for_each([&](Pair pair, PairChange& change) {
      PairState& state = pairs_[pair];
      state.count += change.count;
      if (change.words.empty() || state.count <= 0) return;
      change.words.shrink_to_fit();
      if (state.words.empty())
        state.words = std::move(change.words);
      else
        state.words.insert(state.words.end(), change.words.begin(), change.words.end());
      push({state.count, pair});
    });
    merged_ += all.merged;
    one_token_ += all.one_token;
    result_.coverage = num_words_ > 0 ? static_cast<double>(one_token_) / static_cast<double>(num_words_) : 0;
  }

  const BpeOptions& options_;
  Job& job_;
  Tokens tokens_;
  BpeWords words_;
  PairMap<PairState> pairs_;
  std::vector<Candidate> queue_;  // a heap
  BpeMerges result_;
  int64_t num_words_ = 0, one_token_ = 0, merged_ = 0;
};

void check_ids(const std::vector<int32_t>& ids, size_t num_tokens, const char* what) {
  for (const int32_t id : ids)
    if (id < 0 || static_cast<size_t>(id) >= num_tokens)
      throw Error("ERR_INTERNAL", str(what, ": expected ids below ", num_tokens, ", received ", id));
}

void check(const BpeCorpus& corpus, const BpeOptions& options) {
  check_ids(corpus.words, corpus.tokens.size(), "words");
  check_ids(options.reserved, corpus.tokens.size(), "reserved");
  int64_t sum = 0;
  for (const int32_t length : corpus.lengths) sum += std::max(length, 0);
  if (sum != static_cast<int64_t>(corpus.words.size()) || corpus.lengths.size() != corpus.counts.size())
    throw Error("ERR_INTERNAL",
                str("lengths: expected a sum of ", corpus.words.size(), " and ", corpus.counts.size(),
                    " words, received ", sum, " and ", corpus.lengths.size()));
  if (corpus.lengths.size() > std::numeric_limits<uint32_t>::max())
    throw Error("ERR_INTERNAL", "words: expected fewer than 2^32");
}

}  // namespace

BpeMerges train_bpe(BpeCorpus corpus, const BpeOptions& options, Job& job) {
  check(corpus, options);
  return Trainer(std::move(corpus), options, job).run();
}

}  // namespace tongueforge::text
