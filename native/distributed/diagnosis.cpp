#include "distributed/diagnosis.h"

#include <thread>

#include "distributed/rendezvous.h"

namespace tongueforge::distributed {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kPause = 20ms;

std::string seconds(Clock::duration time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g s", std::chrono::duration<double>(time).count());
  return text;
}

// Where the store is gone all fall silent, some a beat before it does: that says nothing of them.
bool is_silent(const Neighbour& one) { return one.ending == Ending::none && one.missed >= kSilence; }
bool has_left(const Neighbour& one) { return one.ending == Ending::done || one.ending == Ending::failed; }
// By others: no cause, but it knows of one.
bool was_dragged(const Neighbour& one) { return one.ending == Ending::dragged; }

std::string end_of(int rank, const Neighbour& one) {
  const auto name = str("rank ", rank, " (", one.who, ")");
  if (one.ending == Ending::failed) return str(name, " has ended with ", one.reason);
  if (one.ending == Ending::done) return str(name, " has ended");
  if (one.ending == Ending::dragged) return str(name, " has given up: ", one.reason);
  return str(name, " is gone or hangs: it was last heard of ", seconds(one.silent), " ago");
}

std::string lag_of(int rank, const Neighbour& one, const Symptom& symptom) {
  return str("rank ", rank, " (", one.who, ") lives, but has not come to collective ", symptom.collective,
             " within ", seconds(symptom.timeout), ": it has begun ", one.collectives);
}

struct Findings {
  std::vector<int> ranks;
  std::string text;

  void add(int rank, const std::string& found) {
    ranks.push_back(rank);
    text += (text.empty() ? "" : "; ") + found;
  }
};

template <class Blamed, class Told>
Findings findings(const std::vector<Neighbour>& all, const Symptom& symptom, Blamed is_blamed, Told told) {
  Findings found;
  for (int rank = 0; rank < static_cast<int>(all.size()); rank++) {
    const auto& one = all[static_cast<size_t>(rank)];
    if (rank != symptom.rank && is_blamed(one)) found.add(rank, told(rank, one));
  }
  return found;
}

Error error_of(const Findings& found, const Symptom& symptom) {
  return Error(
      "ERR_DISTRIBUTED", str("Expected all processes to go on together: ", found.text),
      "Look at the log of that process, mend what ended it, and start all of them again with --resume.",
      {{"ranks", listed(found.ranks)}, {"cause", symptom.cause}});
}

// What is wrong most often with an engine that all have started.
std::string advice(const std::string& cause) {
  if (cause.find("NCCL") != std::string::npos)
    return "Give each process a GPU of its own (device: cuda, without a number), or set "
           "distributed.backend to gloo; else check the network between the hosts. Then start all "
           "processes again with --resume.";
  return "Check the network between the hosts, and start all processes again with --resume.";
}

Error nobody(const Symptom& symptom) {
  return Error(
      "ERR_DISTRIBUTED",
      str("Expected all processes to reach each other, and a connection broke though all of them live: ",
          symptom.cause),
      advice(symptom.cause), {{"ranks", ""}, {"cause", symptom.cause}});
}

// Everybody is silent where the store is: of them all, only who serves it is known to be.
Error store_lost(const std::vector<Neighbour>& all, const Symptom& symptom) {
  if (symptom.store_rank >= 0) {
    Findings found;
    const auto& one = all[static_cast<size_t>(symptom.store_rank)];
    found.add(symptom.store_rank, end_of(symptom.store_rank, one));
    return error_of(found, symptom);
  }
  return Error(
      "ERR_DISTRIBUTED",
      "Expected the store where the processes meet to go on, and the agent that serves it is gone or hangs",
      "Look at the log of torchrun, and start all processes again with --resume.",
      {{"ranks", ""}, {"cause", symptom.cause}});
}

// Who has ended or is silent; nobody, as long as that is not plain.
Findings gone(const Board& board, const Symptom& symptom) {
  return findings(
      board.neighbours(), symptom, [](const Neighbour& one) { return has_left(one) || is_silent(one); },
      end_of);
}

// Once it is plain that all live: who has not come, or what those say who have given up.
Error among_living(const Board& board, const Symptom& symptom) {
  const auto all = board.neighbours();
  const auto late = findings(
      all, symptom,
      [&](const Neighbour& one) {
        return one.ending == Ending::none && one.collectives < symptom.collective;
      },
      [&](int rank, const Neighbour& one) { return lag_of(rank, one, symptom); });
  if (!late.ranks.empty()) return error_of(late, symptom);
  const auto dragged = findings(all, symptom, was_dragged, end_of);
  return dragged.ranks.empty() ? nobody(symptom) : error_of(dragged, symptom);
}

}  // namespace

Error diagnosis(const Board& board, const Symptom& symptom, const Job& job) {
  const auto deadline = Clock::now() + kSilence + 500ms;
  while (Clock::now() < deadline) {
    job.check();
    if (symptom.store_rank != symptom.rank && board.store_silent() >= kSilence)
      return store_lost(board.neighbours(), symptom);
    const auto found = gone(board, symptom);
    if (!found.ranks.empty()) return error_of(found, symptom);
    std::this_thread::sleep_for(kPause);
  }
  return among_living(board, symptom);
}

void await_ends(const Board& board, int rank, std::chrono::milliseconds at_most) {
  const auto deadline = Clock::now() + at_most;
  for (;;) {
    const auto all = board.neighbours();
    bool waiting = false;
    for (int other = 0; other < static_cast<int>(all.size()); other++) {
      const auto& one = all[static_cast<size_t>(other)];
      waiting |= other != rank && one.ending == Ending::none && one.silent < kSilence;
    }
    if (!waiting || Clock::now() > deadline) return;
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace tongueforge::distributed
