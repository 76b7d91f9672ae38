#include "serve/scheduler.h"

#include <algorithm>
#include <map>

#include "core/random.h"
#include "doctest.h"

using namespace tongueforge;
using serve::Scheduler;
using serve::Sequence;

namespace {

std::unique_ptr<Sequence> sequence(int64_t number, int64_t length, int32_t token = 1) {
  serve::Request request;
  request.prompt.assign(static_cast<size_t>(length), token);
  return std::make_unique<Sequence>(number, std::move(request), nullptr, 1);
}

std::map<int64_t, int64_t> counts(const std::vector<serve::Work>& step) {
  std::map<int64_t, int64_t> all;
  for (const auto& work : step) all[work.sequence->number] = work.count;
  return all;
}

// The step is computed, and every sequence that is ready gets a token.
void run(Scheduler& scheduler, const std::vector<serve::Work>& step) {
  scheduler.done(step);
  for (const auto& work : step)
    if (work.is_ready()) work.sequence->tokens.push_back(static_cast<int32_t>(work.sequence->number));
}

using Counts = std::map<int64_t, int64_t>;

}  // namespace

TEST_CASE("first come, first seated, up to the number of seats") {
  Scheduler scheduler({.seats = 2, .pages = 10, .page_size = 4});
  for (int64_t number = 1; number <= 3; number++) scheduler.add(sequence(number, 3));
  CHECK(counts(scheduler.plan(100)) == Counts{{1, 3}, {2, 3}});
  CHECK(scheduler.waiting().size() == 1);
  scheduler.remove(1);
  CHECK(counts(scheduler.plan(100)) == Counts{{2, 3}, {3, 3}});
}

TEST_CASE("streams get their token in every step, and prompts share what is left for them") {
  Scheduler scheduler({.seats = 8, .pages = 100, .page_size = 4, .keeps_prefixes = false});
  scheduler.add(sequence(1, 2));
  run(scheduler, scheduler.plan(10));
  scheduler.add(sequence(2, 100));
  scheduler.add(sequence(3, 3));
  scheduler.add(sequence(4, 100));
  CHECK(counts(scheduler.plan(10)) == Counts{{1, 1}, {2, 3}, {3, 3}, {4, 4}});
  CHECK(counts(scheduler.plan(0)) == Counts{{1, 1}, {2, 1}});
}

TEST_CASE(
    "more prompts than rows: a short one takes as many steps as it has tokens, and the oldest goes on") {
  Scheduler scheduler({.seats = 64, .pages = 1000, .page_size = 4, .keeps_prefixes = false});
  for (int64_t number = 1; number <= 24; number++) scheduler.add(sequence(number, 64));
  for (int64_t step = 1; step <= 60; step++) {
    const int64_t number = 24 + step;  // one more short one in each step
    scheduler.add(sequence(number, 4));
    const auto work = scheduler.plan(16);
    CHECK(counts(work).at(1) == 1);
    scheduler.done(work);
    if (step < 4) continue;
    const auto& running = scheduler.running();
    const auto place = std::find_if(running.begin(), running.end(),
                                    [&](const auto& one) { return one->number == number - 3; });
    REQUIRE(place != running.end());
    CHECK((*place)->computed == 4);
    scheduler.remove(number - 3);
  }
}

TEST_CASE("where pages run out, the youngest waits again, and comes back before who came later") {
  Scheduler scheduler({.seats = 3, .pages = 4, .page_size = 4, .keeps_prefixes = false});
  scheduler.add(sequence(1, 7, 5));
  scheduler.add(sequence(2, 7, 6));
  scheduler.add(sequence(3, 1, 7));
  CHECK(counts(scheduler.plan(100)) == Counts{{1, 7}, {2, 7}});  // 3 finds no page
  run(scheduler, scheduler.plan(100));
  run(scheduler, scheduler.plan(100));
  CHECK(counts(scheduler.plan(100)) == Counts{{1, 1}});  // the ninth token of 1 takes a page of 2's
  CHECK(scheduler.unseatings() == 1);
  CHECK(scheduler.waiting().front()->number == 2);
  CHECK(scheduler.waiting().front()->size() == 9);  // what it has said stays said
  scheduler.remove(1);
  CHECK(counts(scheduler.plan(100)) == Counts{{2, 9}, {3, 1}});
}

TEST_CASE("of those that begin alike at the same time, the first computes what they share") {
  Scheduler scheduler({.seats = 4, .pages = 20, .page_size = 4});
  for (int64_t number = 1; number <= 3; number++) scheduler.add(sequence(number, 9, 5));
  scheduler.add(sequence(4, 9, 6));
  const auto first = scheduler.plan(10);
  CHECK(counts(first) == Counts{{1, 5}, {4, 5}});
  scheduler.done(first);
  CHECK(counts(scheduler.plan(100)) == Counts{{1, 4}, {4, 4}});  // 2 and 3 wait for the second page too
  run(scheduler, scheduler.plan(100));
  CHECK(counts(scheduler.plan(100)) == Counts{{1, 1}, {2, 1}, {3, 1}, {4, 1}});
  for (const auto& one : scheduler.running())
    CHECK(one->cached == (one->number == 2 || one->number == 3 ? 8 : 0));
  CHECK(scheduler.pages_in_use() == 2 + 2 + 4);
  scheduler.remove(1);  // of the others one goes on in its place
  CHECK(counts(scheduler.plan(100)).size() == 3);
}

TEST_CASE("a sequence that comes back finds its own pages, as far as they are there") {
  Scheduler scheduler({.seats = 2, .pages = 5, .page_size = 4});
  scheduler.add(sequence(1, 7, 5));
  scheduler.add(sequence(2, 8, 6));
  run(scheduler, scheduler.plan(100));
  run(scheduler, scheduler.plan(100));
  CHECK(counts(scheduler.plan(100)) == Counts{{1, 1}});
  scheduler.remove(1);
  const auto step = scheduler.plan(100);
  CHECK(counts(step) == Counts{{2, 2}});    // of ten
  CHECK(step.at(0).sequence->cached == 0);  // not found when it first came
}

TEST_CASE("who has lost a seat is told no more tokens as found than before") {
  Scheduler scheduler({.seats = 3, .pages = 7, .page_size = 4});
  scheduler.add(sequence(1, 3, 7));
  run(scheduler, scheduler.plan(4));
  for (const int64_t number : {2, 3}) scheduler.add(sequence(number, 9, 5));
  for (int i = 0; i < 3; i++) run(scheduler, scheduler.plan(4));  // 1 takes a page of 3's, and 3 comes back
  CHECK(scheduler.unseatings() == 1);
  CHECK(scheduler.running().back()->computed == 9);  // the pages of 2 and a token
  CHECK(scheduler.running().back()->cached == 0);
}

TEST_CASE("any order of arrivals and departures: all are served, in every step within the limits") {
  for (uint64_t seed = 1; seed <= 60; seed++) {
    CAPTURE(seed);
    Random random(seed);
    const auto below = [&](uint64_t n) { return static_cast<int64_t>(random.next() % n); };
    const serve::Limits limits = {
        .seats = 1 + below(5), .pages = 6 + below(10), .page_size = 4, .keeps_prefixes = seed % 2 == 0};
    Scheduler scheduler(limits);
    std::map<int64_t, int64_t> asked;  // new tokens by number
    int64_t next = 1, ended = 0;
    for (int turn = 0; turn < 3000 && (next <= 40 || ended < 40); turn++) {
      if (next <= 40 && below(3) == 0) {
        asked[next] = 1 + below(8);
        scheduler.add(sequence(next++, 1 + below(15), static_cast<int32_t>(below(2))));
      }
      if (next > 1 && below(20) == 0 && scheduler.remove(1 + below(static_cast<uint64_t>(next - 1)))) ended++;
      const int64_t rows = below(20);
      const auto step = scheduler.plan(rows);
      int64_t prefill = 0;
      for (const auto& [s, first, count] : step) {
        CHECK(count > 0);
        CHECK(first == s->computed);
        CHECK(static_cast<int64_t>(s->pages.size()) * limits.page_size >= s->size());
        if (s->size() - first > 1) prefill += count;
        CHECK(s->cached < static_cast<int64_t>(s->request.prompt.size()));
      }
      CHECK(prefill <= std::max<int64_t>(1, rows));
      if (!scheduler.waiting().empty() && !scheduler.running().empty())  // nobody overtakes
        CHECK(scheduler.running().back()->number < scheduler.waiting().front()->number);
      CHECK(static_cast<int64_t>(scheduler.running().size()) <= limits.seats);
      CHECK(std::is_sorted(scheduler.running().begin(), scheduler.running().end(),
                           [](const auto& a, const auto& b) { return a->number < b->number; }));
      run(scheduler, step);
      for (const auto& work : step)
        if (work.sequence->new_tokens() >= asked[work.sequence->number]) {
          scheduler.remove(work.sequence->number);
          ended++;
        }
    }
    CHECK(ended == 40);
    CHECK(scheduler.pages_in_use() == 0);
    CHECK(scheduler.pages().free() + scheduler.kept_pages() == limits.pages);
  }
}
