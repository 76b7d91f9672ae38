// What the processes of a run know of each other beside collectives: that each still lives and how far it has
// come, how it ended, and short messages. All of it lies in the store.
//
// Rules of its thread:
// 1. It alone talks with the store after the board was made: a call of a store whose host hangs comes back
// when that
//    host does, so nobody else may wait for one.
// 2. It shares its state with the board and is left behind, not waited for, where it is caught in such a
// call.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distributed/backend.h"

namespace tongueforge::distributed {

enum class Ending : char {
  none = '-',
  done = 'd',
  failed = 'f',   // for a reason of its own
  dragged = 'v',  // because of another
};

/// What is known of a process.
struct Neighbour {
  std::string who;          // its host and process
  int64_t collectives = 0;  // that it has begun
  Ending ending = Ending::none;
  std::string reason;                            // of its end
  std::chrono::steady_clock::duration silent{};  // since its heart was seen to beat
  std::chrono::steady_clock::duration missed{};  // of that, as long as the store answered
};

class Board {
 public:
  /// Puts up the heart of a rank: to be done by each before any has a board.
  static void prepare(c10d::Store& store, int rank);

  /// `store`: a connection of its own. who: of each rank.
  Board(StorePtr store, int rank, const std::vector<std::string>& who);
  ~Board();
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  /// Tells the others that one more collective was begun here; gives its number.
  int64_t begin_collective();

  /// Sends a message, to be found by its name. Comes back at once.
  void post(const std::string& name, const std::string& text);

  /// A message, once it is there: to be asked again and again until it is given, once.
  std::optional<std::string> find(const std::string& name);

  /// Of all ranks, this one included.
  std::vector<Neighbour> neighbours() const;

  /// Since the store has answered. Where that is long, all are silent, and only the one who serves it need be
  /// gone.
  std::chrono::steady_clock::duration store_silent() const;
  /// The connection to the store has been closed.
  bool is_cut_off() const;

  /// Tells the others that this process ends, and waits a moment until it is told. The first end counts.
  void end(Ending ending, const std::string& reason);

 private:
  struct State;
  static void run(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

}  // namespace tongueforge::distributed
