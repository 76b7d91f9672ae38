#include "serve/scheduler.h"

#include <algorithm>

namespace tongueforge::serve {
namespace {

// What the next page of a sequence hangs on.
uint64_t before_of(const Sequence& sequence) {
  return sequence.nodes.empty() ? sequence.root : sequence.nodes.back();
}

// Tokens whose rows are not computed yet.
int64_t missing_of(const Sequence& sequence) { return sequence.size() - sequence.computed; }

}  // namespace

Scheduler::Scheduler(const Limits& limits)
    : limits_(limits), pages_(limits.pages), prefixes_(pages_, limits.page_size) {}

std::vector<Work> Scheduler::plan(int64_t prefill_rows) {
  grow();
  seat();
  std::vector<Work> step;
  std::vector<Sequence*> behind;
  Begun begun;
  for (const auto& sequence : running_) {
    if (waits_for_another(*sequence, begun)) continue;
    if (missing_of(*sequence) == 1)
      step.push_back({sequence.get(), sequence->computed, 1});
    else
      behind.push_back(sequence.get());
  }
  // Where there are more of them than rows: the first, so that each has its turn, then who needs the fewest.
  if (!behind.empty())
    std::stable_sort(behind.begin() + 1, behind.end(),
                     [](const Sequence* a, const Sequence* b) { return missing_of(*a) < missing_of(*b); });
  int64_t left = std::max<int64_t>(1, prefill_rows);
  for (size_t i = 0; i < behind.size() && left > 0;
       i++) {  // who needs less than its share leaves it to the others
    const int64_t share = std::max<int64_t>(1, left / static_cast<int64_t>(behind.size() - i));
    const int64_t count = std::min(share, missing_of(*behind[i]));
    step.push_back({behind[i], behind[i]->computed, count});
    left -= count;
  }
  return step;
}

void Scheduler::done(const std::vector<Work>& step) {
  for (const auto& [sequence, first, count] : step) {
    sequence->computed = first + count;
    if (!limits_.keeps_prefixes) continue;
    const auto size = static_cast<size_t>(limits_.page_size);
    for (size_t page = sequence->nodes.size(); static_cast<int64_t>((page + 1) * size) <= sequence->computed;
         page++) {
      const auto block = std::span<const int32_t>(sequence->tokens).subspan(page * size, size);
      const auto kept = prefixes_.keep(before_of(*sequence), block, sequence->pages[page]);
      sequence->pages[page] = kept.page;
      sequence->nodes.push_back(kept.node);
    }
  }
}

std::unique_ptr<Sequence> Scheduler::remove(int64_t number) {
  const auto take = [&](auto& from) {
    const auto it =
        std::find_if(from.begin(), from.end(), [&](const auto& s) { return s->number == number; });
    if (it == from.end()) return std::unique_ptr<Sequence>();
    auto found = std::move(*it);
    from.erase(it);
    give_back(*found);
    return found;
  };
  auto found = take(running_);
  return found ? std::move(found) : take(waiting_);
}

// Takes pages that have been computed since it was seated. Whether the next one is being computed.
bool Scheduler::waits_for_another(Sequence& sequence, Begun& begun) {
  if (!limits_.keeps_prefixes) return false;
  const bool is_within = sequence.computed % limits_.page_size != 0;
  auto block = next_shared_page(sequence);
  for (; !block.empty() && !is_within; block = next_shared_page(sequence)) {
    const auto kept = prefixes_.next(before_of(sequence), block);
    if (!kept) break;
    auto& page = sequence.pages[sequence.nodes.size()];
    pages_.release(page);
    page = kept->page;
    sequence.nodes.push_back(kept->node);
    sequence.computed += limits_.page_size;
    if (!sequence.was_unseated) sequence.cached += limits_.page_size;
  }
  if (block.empty()) return false;
  const bool is_first = begun.emplace(before_of(sequence), std::vector(block.begin(), block.end())).second;
  return !is_first && !is_within;
}

// The page that a sequence is about to compute, or within, where it has more tokens than that one.
std::span<const int32_t> Scheduler::next_shared_page(const Sequence& sequence) const {
  const int64_t size = limits_.page_size, begin = sequence.computed / size * size;
  if (begin + size >= sequence.size()) return {};
  return std::span(sequence.tokens).subspan(static_cast<size_t>(begin), static_cast<size_t>(size));
}

int64_t Scheduler::pages_in_use() const {
  std::vector<bool> in_use(static_cast<size_t>(pages_.count()));
  for (const auto& sequence : running_)
    for (const int32_t page : sequence->pages) in_use[static_cast<size_t>(page)] = true;
  return std::count(in_use.begin(), in_use.end(), true);
}

// Pages for all tokens of a sequence, or none more than it has.
bool Scheduler::has_pages(Sequence& sequence) {
  const int64_t missing = pages_for(sequence.size()) - static_cast<int64_t>(sequence.pages.size());
  if (missing <= 0) return true;
  if (!prefixes_.make_free(missing)) return false;
  pages_.take(missing, sequence.pages);
  return true;
}

void Scheduler::grow() {
  for (size_t i = 0; i < running_.size();) {
    if (has_pages(*running_[i]))
      i++;
    else
      unseat_youngest();  // in the end itself
  }
}

void Scheduler::seat() {
  while (!waiting_.empty() && static_cast<int64_t>(running_.size()) < limits_.seats) {
    auto& sequence = *waiting_.front();
    if (limits_.keeps_prefixes) {  // the last token is computed in any case: what follows it is asked for
      auto found = prefixes_.find(sequence.root, sequence.tokens, (sequence.size() - 1) / limits_.page_size);
      sequence.pages = std::move(found.pages);
      sequence.nodes = std::move(found.nodes);
      sequence.computed = static_cast<int64_t>(sequence.pages.size()) * limits_.page_size;
    }
    if (!has_pages(sequence)) return give_back(sequence);
    if (!sequence.was_seated) sequence.cached = sequence.computed;
    sequence.was_seated = true;
    const auto place = std::find_if(running_.begin(), running_.end(),
                                    [&](const auto& other) { return other->number > sequence.number; });
    running_.insert(place, std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

void Scheduler::unseat_youngest() {
  auto youngest = std::move(running_.back());
  running_.pop_back();
  give_back(*youngest);
  youngest->was_unseated = true;
  waiting_.push_front(std::move(youngest));
  unseatings_++;
}

void Scheduler::give_back(Sequence& sequence) {
  prefixes_.touch(sequence.nodes);
  for (const int32_t page : sequence.pages) pages_.release(page);
  sequence.pages.clear();
  sequence.nodes.clear();
  sequence.computed = 0;
}

}  // namespace tongueforge::serve
