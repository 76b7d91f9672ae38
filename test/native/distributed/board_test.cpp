// What processes know of each other's hearts: who is silent, and who only seems so as the store is.
#include "distributed/board.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "doctest.h"

using namespace tongueforge::distributed;
using namespace std::chrono_literals;

namespace {

/// Answers until it is told to be gone.
class MortalStore final : public c10d::HashStore {
 public:
  std::vector<std::vector<uint8_t>> multiGet(const std::vector<std::string>& keys) override {
    if (gone) throw std::runtime_error("gone");
    return c10d::HashStore::multiGet(keys);
  }
  std::atomic<bool> gone = false;
};

struct Pair {
  c10::intrusive_ptr<MortalStore> store = c10::make_intrusive<MortalStore>();
  std::unique_ptr<Board> own, other;

  Pair() {
    for (int rank = 0; rank < 2; rank++) Board::prepare(*store, rank);
    own = std::make_unique<Board>(store, 0, std::vector<std::string>{"own", "other"});
    other = std::make_unique<Board>(store, 1, std::vector<std::string>{"own", "other"});
    std::this_thread::sleep_for(700ms);  // a few beats
  }
};

}  // namespace

TEST_CASE("a heart that is not seen because the store is gone has missed nothing") {
  Pair pair;
  CHECK(pair.own->neighbours()[1].missed < 1000ms);
  pair.store->gone = true;
  std::this_thread::sleep_for(2000ms);
  const auto one = pair.own->neighbours()[1];
  CHECK(one.silent >= 1500ms);
  CHECK(one.missed < 1000ms);
  CHECK(pair.own->store_silent() >= 1500ms);
}

TEST_CASE("a heart that stands still while the store answers has missed all of that time") {
  Pair pair;
  pair.other.reset();
  std::this_thread::sleep_for(2200ms);
  CHECK(pair.own->neighbours()[1].missed >= 1000ms);
  CHECK(pair.own->store_silent() < 1000ms);
}
