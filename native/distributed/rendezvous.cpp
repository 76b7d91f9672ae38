#include "distributed/rendezvous.h"

#include <unistd.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <thread>

#include "core/error.h"
#include "distributed/reach.h"

namespace tongueforge::distributed {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kPause = 50ms;

std::string place_of(const Rendezvous& place) { return str(place.address, ":", place.port); }

Error cannot_serve(const Rendezvous& place, const std::string& why) {
  return Error("ERR_DISTRIBUTED",
               str("Expected a free port for the processes to meet at, and ", place_of(place),
                   " cannot be served: ", why),
               "Does another run use it? Set MASTER_PORT to a port that is free.",
               {{"address", place_of(place)}});
}

Error nobody_serves(const Rendezvous& place) {
  return Error("ERR_DISTRIBUTED",
               str("Expected rank 0 to serve ", place_of(place), ", and rank ", place.rank, " of ",
                   place.size, " could not connect within ", place.timeout.count() / 1000.0, " s"),
               "Was rank 0 started, and are MASTER_ADDR and MASTER_PORT those of its host?",
               {{"address", place_of(place)}, {"ranks", "0"}});
}

// c10d retries too, but can neither be stopped nor kept from telling of each attempt.
void wait_for_server(const Rendezvous& place, const Job& job) {
  const auto deadline = Clock::now() + place.timeout;
  while (!is_reachable(place.address, place.port)) {
    job.check();
    if (Clock::now() > deadline) throw nobody_serves(place);
    std::this_thread::sleep_for(kPause);
  }
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string who_i_am() {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return str(host, ", process ", getpid());
}

std::string key_of(int rank) { return str("here/", rank); }

// "SIZE WHO".
void check_size(const std::string& said, int rank, const Rendezvous& place) {
  if (std::stoi(said) == place.size) return;
  throw Error("ERR_DISTRIBUTED",
              str("Expected ", place.size, " processes, as rank ", place.rank, " was told, and rank ", rank,
                  " was told of ", std::stoi(said)),
              "Start all processes with one WORLD_SIZE.", {{"ranks", str(rank)}});
}

Error missing_ranks(const std::string& ranks, const Rendezvous& place) {
  const char* have = ranks.find(' ') == std::string::npos ? " has" : " have";
  return Error("ERR_DISTRIBUTED",
               str("Expected ", place.size, " processes at ", place_of(place), ", and rank ", ranks, have,
                   " not come within ", place.timeout.count() / 1000.0, " s"),
               "Look at the logs of those processes, or raise distributed.timeout_seconds.",
               {{"ranks", ranks}, {"address", place_of(place)}});
}

// Those that have not come; writes who the others are.
std::vector<int> absent(c10d::Store& store, const Rendezvous& place, std::vector<std::string>& who) {
  std::vector<int> missing;
  for (int rank = 0; rank < place.size; rank++) {
    auto& known = who[static_cast<size_t>(rank)];
    if (!known.empty()) continue;
    if (!store.check({key_of(rank)})) {
      missing.push_back(rank);
      continue;
    }
    const auto said = store.get_to_str(key_of(rank));
    check_size(said, rank, place);
    known = said.substr(said.find(' ') + 1);
  }
  return missing;
}

// Whose store it is has the last word, so that all name the same ones; it stays until they have read it.
[[noreturn]] void give_up(c10d::Store& store, const std::vector<int>& missing, const Rendezvous& place) {
  if (place.serves_store) {
    store.set("missing", listed(missing));
    std::this_thread::sleep_for(10 * kPause);
  }
  throw missing_ranks(listed(missing), place);
}

std::vector<std::string> introduce(c10d::Store& store, const Rendezvous& place, const Job& job) {
  if (store.add(str("count/", place.rank), 1) > 1)
    throw Error("ERR_DISTRIBUTED", str("Expected one process of rank ", place.rank, ", and there are two"),
                "Give each process a RANK of its own.", {{"ranks", str(place.rank)}});
  store.set(key_of(place.rank), str(place.size, " ", who_i_am()));
  std::vector<std::string> who(static_cast<size_t>(place.size));
  const auto deadline = Clock::now() + place.timeout;
  for (auto missing = absent(store, place, who); !missing.empty(); missing = absent(store, place, who)) {
    job.check();
    if (store.check({"missing"})) throw missing_ranks(store.get_to_str("missing"), place);
    if (Clock::now() > deadline) give_up(store, missing, place);
    std::this_thread::sleep_for(kPause);
  }
  return who;
}

}  // namespace

std::string listed(const std::vector<int>& ranks) {
  std::string text;
  for (size_t i = 0; i < ranks.size(); i++)
    text += str(i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ", ranks[i]);
  return text;
}

std::string own_address(const Rendezvous& place) { return address_towards(place.address, place.port); }

StorePtr open_store(const Rendezvous& place, const Job& job) {
  if (!place.serves_store) wait_for_server(place, job);
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(place.port);
  options.isServer = place.serves_store;
  options.numWorkers = static_cast<std::size_t>(place.size);
  options.waitWorkers = false;
  options.timeout = place.timeout;
  try {
    const StorePtr store = c10::make_intrusive<c10d::TCPStore>(place.address, options);
    return c10::make_intrusive<c10d::PrefixStore>(place.prefix, store);
  } catch (const c10::Error& error) {
    const std::string why = first_line(error.what_without_backtrace());
    throw place.serves_store ? cannot_serve(place, why) : nobody_serves(place);
  }
}

std::vector<std::string> meet(c10d::Store& store, const Rendezvous& place, const Job& job) {
  try {
    return introduce(store, place, job);
  } catch (const c10::Error& error) {
    throw Error(
        "ERR_DISTRIBUTED",
        str("Expected the store at ", place_of(place),
            " to answer until all have come, and it has gone: ", first_line(error.what_without_backtrace())),
        "Look at the log of rank 0, or of the agent that serves the store.",
        {{"ranks", "0"}, {"address", place_of(place)}});
  }
}

}  // namespace tongueforge::distributed
