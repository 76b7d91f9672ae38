#include "distributed/board.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "core/error.h"

namespace tongueforge::distributed {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kBeat = 200ms;   // between two beats of a heart
constexpr auto kGlance = 20ms;  // between two looks for a message that is waited for
constexpr auto kPatience = 2s;  // with a store that does not answer

std::string heart_of(size_t rank) { return str("alive/", rank); }

// As the store has it: "BEATS COLLECTIVES ENDING REASON".
struct Heart {
  int64_t beats = 0, collectives = 0;
  Ending ending = Ending::none;
  std::string reason;

  std::string text() const {
    return str(beats, ' ', collectives, ' ', static_cast<char>(ending), ' ', reason);
  }
  static Heart of(const std::vector<uint8_t>& bytes) {
    Heart heart;
    std::istringstream in(std::string(bytes.begin(), bytes.end()));
    char ending = '-';
    in >> heart.beats >> heart.collectives >> ending;
    in.get();
    std::getline(in, heart.reason, '\0');
    heart.ending = static_cast<Ending>(ending);
    return heart;
  }
};

}  // namespace

struct Board::State {
  StorePtr store;
  size_t rank = 0;
  std::thread thread;

  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  Heart own;
  std::vector<std::string> who;
  std::vector<Heart> hearts;
  std::vector<Clock::time_point> heard;
  Clock::time_point answered = Clock::now();
  std::vector<std::pair<std::string, std::string>> outgoing;
  std::set<std::string> wanted;
  std::map<std::string, std::string> found;
  bool stopping = false, told = false, finished = false;

  void send(std::unique_lock<std::mutex>& lock);
  void look(std::unique_lock<std::mutex>& lock);
  void beat(std::unique_lock<std::mutex>& lock);
};

// ---- the thread: `lock` is held but while the store is called
// -----------------------------------------------

void Board::State::send(std::unique_lock<std::mutex>& lock) {
  const auto messages = std::exchange(outgoing, {});
  lock.unlock();
  for (const auto& [name, text] : messages) store->set(name, text);
  lock.lock();
}

void Board::State::look(std::unique_lock<std::mutex>& lock) {
  const auto names = wanted;
  for (const auto& name : names) {
    lock.unlock();
    std::optional<std::string> text;
    if (store->check({name})) text = store->get_to_str(name);
    lock.lock();
    if (!text) continue;
    found[name] = *text;
    wanted.erase(name);
  }
}

void Board::State::beat(std::unique_lock<std::mutex>& lock) {
  own.beats++;
  const auto telling = own;
  std::vector<std::string> keys;
  for (size_t i = 0; i < hearts.size(); i++) keys.push_back(heart_of(i));
  lock.unlock();
  store->set(heart_of(rank), telling.text());
  const auto values = store->multiGet(keys);
  lock.lock();
  for (size_t i = 0; i < hearts.size(); i++) {
    auto heart = Heart::of(values[i]);
    if (heart.beats != hearts[i].beats) heard[i] = Clock::now();
    hearts[i] = std::move(heart);
  }
  answered = Clock::now();
  told = telling.ending != Ending::none;
}

void Board::run(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  auto next_beat = Clock::now();
  try {
    while (!state->stopping) {
      state->send(lock);
      state->look(lock);
      const bool ends = state->own.ending != Ending::none && !state->told;
      if (ends || Clock::now() >= next_beat) {
        next_beat = Clock::now() + kBeat;
        state->beat(lock);
        state->changed.notify_all();
      }
      const auto pause = state->wanted.empty() ? kBeat : kGlance;
      state->changed.wait_for(lock, pause, [&] {
        return state->stopping || !state->outgoing.empty() ||
               (state->own.ending != Ending::none && !state->told);
      });
    }
  } catch (const std::exception&) {
    // The store is gone: all fall silent, and whoever waits for them says so.
    if (!lock.owns_lock()) lock.lock();
  }
  state->finished = true;
  state->changed.notify_all();
}

// ---- everybody else
// -----------------------------------------------------------------------------------------

void Board::prepare(c10d::Store& store, int rank) {
  store.set(heart_of(static_cast<size_t>(rank)), Heart{}.text());
}

Board::Board(StorePtr store, int rank, const std::vector<std::string>& who)
    : state_(std::make_shared<State>()) {
  auto& state = *state_;
  state.store = std::move(store);
  state.rank = static_cast<size_t>(rank);
  state.who = who;
  state.hearts.resize(who.size());
  state.heard.assign(who.size(), Clock::now());
  state.thread = std::thread([shared = state_] { run(shared); });
}

Board::~Board() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->changed.notify_all();
  const bool finished = state_->changed.wait_for(lock, kPatience, [&] { return state_->finished; });
  lock.unlock();
  if (finished)
    state_->thread.join();
  else
    state_->thread.detach();
}

int64_t Board::begin_collective() {
  const std::lock_guard lock(state_->mutex);
  return ++state_->own.collectives;
}

void Board::post(const std::string& name, const std::string& text) {
  const std::lock_guard lock(state_->mutex);
  state_->outgoing.emplace_back(name, text);
  state_->changed.notify_all();
}

std::optional<std::string> Board::find(const std::string& name) {
  const std::lock_guard lock(state_->mutex);
  if (auto node = state_->found.extract(name)) return std::move(node.mapped());
  state_->wanted.insert(name);
  return std::nullopt;
}

std::vector<Neighbour> Board::neighbours() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Neighbour> all;
  for (size_t i = 0; i < state_->hearts.size(); i++) {
    const auto& heart = i == state_->rank ? state_->own : state_->hearts[i];
    const auto heard = state_->heard[i];
    all.push_back({state_->who[i], heart.collectives, heart.ending, heart.reason, Clock::now() - heard,
                   state_->answered - heard});
  }
  return all;
}

Clock::duration Board::store_silent() const {
  const std::lock_guard lock(state_->mutex);
  return Clock::now() - state_->answered;
}

bool Board::is_cut_off() const {
  const std::lock_guard lock(state_->mutex);
  return state_->finished;
}

void Board::end(Ending ending, const std::string& reason) {
  std::unique_lock lock(state_->mutex);
  if (state_->own.ending != Ending::none) return;
  state_->own.ending = ending;
  state_->own.reason = reason;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, kPatience, [&] { return state_->told || state_->finished; });
}

}  // namespace tongueforge::distributed
