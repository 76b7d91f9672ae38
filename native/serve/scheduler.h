// Who runs next, and in which pages. Rules:
// 1. First come, first seated: a request is seated when a seat is free and all tokens that it has find pages;
// nobody
//    overtakes one who waits for pages.
// 2. In each step every seated sequence whose tokens but the newest are computed gets that one computed. The
// others
//    share a number of rows: long prompts neither hold up streams that run nor short prompts beside them.
//    Where there are more of them than rows, the oldest gets one, and the others go to who needs the fewest.
// 3. Of sequences that begin alike, the first computes a page that they share, and the others wait for it.
// 4. Where pages run out, the youngest sequence loses its seat and waits again, before all that came later.
// Its tokens
//    are computed anew, to the same bits: its answer does not change.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "serve/pages.h"
#include "serve/prefixes.h"
#include "serve/sequence.h"

namespace tongueforge::serve {

struct Limits {
  int64_t seats = 32;  // sequences that run at the same time
  int64_t pages = 0, page_size = 0;
  bool keeps_prefixes = true;
};

/// Tokens first .. first+count-1 of a sequence, to be computed.
struct Work {
  Sequence* sequence;
  int64_t first, count;

  /// Whether the next token can be chosen then.
  bool is_ready() const { return first + count == sequence->size(); }
};

class Scheduler {
 public:
  explicit Scheduler(const Limits& limits);

  void add(std::unique_ptr<Sequence> sequence) { waiting_.push_back(std::move(sequence)); }
  /// One step: rows of decoding, and at most so many of sequences that are not so far yet, but always one.
  std::vector<Work> plan(int64_t prefill_rows);
  /// What was planned is computed.
  void done(const std::vector<Work>& step);
  /// Takes a sequence out, running or waiting; nothing where there is none of this number.
  std::unique_ptr<Sequence> remove(int64_t number);

  const std::deque<std::unique_ptr<Sequence>>& waiting() const { return waiting_; }
  const std::vector<std::unique_ptr<Sequence>>& running() const { return running_; }
  const Pages& pages() const { return pages_; }
  /// Pages that sequences hold.
  int64_t pages_in_use() const;
  int64_t kept_pages() const { return prefixes_.size(); }
  int64_t unseatings() const { return unseatings_; }

 private:
  using Begun = std::set<std::pair<uint64_t, std::vector<int32_t>>>;  // pages by what is before, and tokens

  bool waits_for_another(Sequence& sequence, Begun& begun);
  std::span<const int32_t> next_shared_page(const Sequence& sequence) const;
  bool has_pages(Sequence& sequence);
  void grow();
  void seat();
  void unseat_youngest();
  void give_back(Sequence& sequence);
  int64_t pages_for(int64_t tokens) const { return (tokens + limits_.page_size - 1) / limits_.page_size; }

  Limits limits_;
  Pages pages_;
  Prefixes prefixes_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // in the order of arrival
  int64_t unseatings_ = 0;
};

}  // namespace tongueforge::serve
