#include "distributed/group.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <cstring>
#include <functional>
#include <thread>

#include "distributed/backend.h"
#include "distributed/board.h"
#include "distributed/diagnosis.h"
#include "distributed/rendezvous.h"
#include "kernels/aten.h"

namespace tongueforge::distributed {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLastWords = 1s;
constexpr std::chrono::milliseconds kGone = 30s;  // silent for so long, whatever the time-out

Rendezvous rendezvous_of(const GroupOptions& options) {
  return {options.rank,         options.size,   options.address, options.port,
          options.serves_store, options.prefix, options.timeout};
}

// c10d adds where in its code it was thrown.
std::string plain(const std::exception& error) {
  const auto* c10_error = dynamic_cast<const c10::Error*>(&error);
  const std::string text = c10_error ? c10_error->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

// A text for others: eight bytes of its size, then as much of it as there is room for.
at::Tensor parcel(const std::string& text, int64_t room) {
  auto bytes = at::zeros({static_cast<int64_t>(sizeof(int64_t)) + room}, at::kByte);
  auto* to = static_cast<char*>(bytes.data_ptr());
  const auto size = static_cast<int64_t>(text.size());
  std::memcpy(to, &size, sizeof size);
  std::memcpy(to + sizeof size, text.data(), static_cast<size_t>(std::min(size, room)));
  return bytes;
}

int64_t size_in(const at::Tensor& parcel) {
  int64_t size = 0;
  std::memcpy(&size, parcel.const_data_ptr(), sizeof size);
  return size;
}

std::string text_in(const at::Tensor& parcel) {
  return {static_cast<const char*>(parcel.const_data_ptr()) + sizeof(int64_t),
          static_cast<size_t>(size_in(parcel))};
}

std::vector<at::Tensor> like(const at::Tensor& one, int count) {
  std::vector<at::Tensor> all;
  for (int i = 0; i < count; i++) all.push_back(at::empty_like(one));
  return all;
}

// "VALUE NAME" lines of hexadecimal digits, so that no bit is lost.
std::string written(const std::map<std::string, double>& figures) {
  std::string text;
  for (const auto& [name, value] : figures) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%a", value);
    text += str(digits, ' ', name, '\n');
  }
  return text;
}

void add_written(std::map<std::string, double>& sums, const std::string& text) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const auto space = line.find(' ');
    sums[line.substr(space + 1)] += std::strtod(line.c_str(), nullptr);
  }
}

}  // namespace

class Collective {
 public:
  int64_t number = 0;  // in the order in which they are begun
  c10::intrusive_ptr<c10d::Work> work;
  std::string failure;  // of its start
  Clock::time_point begun = Clock::now();
};

struct Group::Engines {
  std::unique_ptr<Board> board;
  BackendPtr gloo, nccl;

  c10d::Backend& of(const at::Tensor& tensor) { return tensor.is_cuda() && nccl ? *nccl : *gloo; }

  // What fails at once is told where it is waited for: it may have been begun within a backward pass.
  Pending begin(const std::function<c10::intrusive_ptr<c10d::Work>()>& start) {
    auto pending = std::make_shared<Collective>();
    pending->number = board->begin_collective();
    try {
      pending->work = start();
    } catch (const std::exception& error) { pending->failure = plain(error); }
    return pending;
  }
};

Group::Group(const GroupOptions& options, const Job& job)
    : options_(options), engines_(std::make_unique<Engines>()) {
  const auto place = rendezvous_of(options);
  const auto store = open_store(place, job);
  Board::prepare(*store, options.rank);
  const auto who = meet(*store, place, job);
  engines_->board = std::make_unique<Board>(store->clone(), options.rank, who);
  const BackendOptions backend = {options.rank, options.size, options.timeout, own_address(place)};
  try {
    engines_->gloo = make_gloo(c10::make_intrusive<c10d::PrefixStore>("gloo", store), backend);
    if (options.nccl)
      engines_->nccl = make_nccl(c10::make_intrusive<c10d::PrefixStore>("nccl", store), backend);
  } catch (const c10::Error& error) { fail(plain(error), 0, job); } catch (const Error& error) {
    engines_->board->end(Ending::failed, str(error.code(), ": ", error.message()));
    throw;
  }
}

std::shared_ptr<Group> Group::join(const GroupOptions& options, const Job& job) {
  // c10d tells of connections that close, with its stack: whoever waits for them says it in fewer words.
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = std::max(FLAGS_caffe2_log_level, 2);
  return std::shared_ptr<Group>(new Group(options, job));
}

// An engine waits for what it has begun before it goes: one that failed is left where it is, for the process
// ends.
Group::~Group() {
  if (!spent_) return;
  engines_->gloo.release();
  engines_->nccl.release();
}

Pending Group::all_reduce(const at::Tensor& tensor) {
  return engines_->begin([&] {
    std::vector<at::Tensor> tensors = {tensor};
    return engines_->of(tensor).allreduce(tensors);
  });
}

Pending Group::all_gather(const std::vector<at::Tensor>& pieces, const at::Tensor& own) {
  return engines_->begin([&] {
    std::vector<std::vector<at::Tensor>> outputs = {pieces};
    std::vector<at::Tensor> inputs = {own};
    return engines_->of(own).allgather(outputs, inputs);
  });
}

Pending Group::broadcast(const at::Tensor& tensor, int from) {
  return engines_->begin([&] {
    std::vector<at::Tensor> tensors = {tensor};
    c10d::BroadcastOptions options;
    options.rootRank = from;
    return engines_->of(tensor).broadcast(tensors, options);
  });
}

// Looks often at first, for small collectives, and less and less for large ones.
void Group::wait(const Pending& pending, const Job& job) {
  auto& work = pending->work;
  try {
    if (!pending->failure.empty()) throw std::runtime_error(pending->failure);
    const auto from = Clock::now();
    while (!work->isCompleted()) {
      if (job.cancelled()) {
        spent_ = true;
        throw Cancelled{};
      }
      const auto waited = Clock::now() - from;
      if (waited > options_.timeout) throw std::runtime_error("timed out");
      std::this_thread::sleep_for(std::clamp<Clock::duration>(waited / 8, 20us, 2ms));
    }
    work->wait();
  } catch (const Cancelled&) { throw; } catch (const std::exception& error) {
    fail(plain(error), pending->number, job);
  }
}

// Short texts travel with their sizes; where one is longer, all go again.
std::vector<std::string> Group::gather(const std::string& own, const Job& job) {
  constexpr int64_t kShort = 504;
  const auto exchange = [&](int64_t room) {
    const auto mine = parcel(own, room);
    auto all = like(mine, size());
    wait(all_gather(all, mine), job);
    return all;
  };
  auto parcels = exchange(kShort);
  int64_t longest = 0;
  for (const auto& one : parcels) longest = std::max(longest, size_in(one));
  if (longest > kShort) parcels = exchange(longest);
  std::vector<std::string> texts;
  for (const auto& one : parcels) texts.push_back(text_in(one));
  return texts;
}

std::map<std::string, double> Group::sum(const std::map<std::string, double>& figures, const Job& job) {
  std::map<std::string, double> sums;
  for (const auto& text : gather(written(figures), job)) add_written(sums, text);
  return sums;
}

void Group::post(const std::string& name, const std::string& text) { engines_->board->post(name, text); }

// One that has ended may have said it before: its last words are there by then, and a moment later here.
std::string Group::await_post(const std::string& name, int from, const Job& job) {
  auto heard_of = Clock::now();
  for (;;) {
    if (auto text = engines_->board->find(name)) return std::move(*text);
    job.check();
    const auto sender = engines_->board->neighbours()[static_cast<size_t>(from)];
    if (sender.ending == Ending::none) heard_of = Clock::now() - sender.silent;
    const bool is_lost = sender.ending != Ending::none || engines_->board->is_cut_off();
    const auto patience = is_lost ? kLastWords : std::min(options_.timeout, kGone);
    if (Clock::now() - heard_of > patience) fail(str("no word of ", name), 0, job);
    std::this_thread::sleep_for(10ms);
  }
}

void Group::fail(const std::string& cause, int64_t number, const Job& job) {
  spent_ = true;
  const int store_rank = options_.agent_serves ? -1 : 0;
  throw diagnosis(*engines_->board, {options_.rank, store_rank, number, options_.timeout, cause}, job);
}

void Group::leave(const Error* failure) {
  auto& board = *engines_->board;
  const bool dragged = failure && failure->code() == "ERR_DISTRIBUTED";
  board.end(!failure  ? Ending::done
            : dragged ? Ending::dragged
                      : Ending::failed,
            failure ? str(failure->code(), ": ", failure->message()) : "");
  if (options_.serves_store) await_ends(board, options_.rank, failure ? 2 * kSilence : options_.timeout);
}

}  // namespace tongueforge::distributed
