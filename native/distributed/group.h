// The processes that train one model together: what each of them can do with the others. Every process calls
// the same collectives in the same order.
#pragma once
#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/job.h"
#include "core/value.h"

namespace tongueforge::distributed {

struct GroupOptions {
  int rank = 0, size = 1;
  std::string address;  // of the store where they meet
  int port = 0;
  bool serves_store = false;            // this process does
  bool agent_serves = false;            // none of them does, but torchrun's agent
  std::string prefix;                   // of all keys in it
  bool nccl = false;                    // tensors of GPUs go by NCCL, not by way of main memory
  std::chrono::milliseconds timeout{};  // of waiting for others
};

/// A collective under way: its tensors are not to be touched until it was waited for.
class Collective;
using Pending = std::shared_ptr<Collective>;

/// All of it throws ERR_DISTRIBUTED that names who is gone or behind, where others do not come within the
/// time-out; after that the group is spent. A job is asked while waiting.
class Group final : public Object {
 public:
  /// Meets the others. Throws ERR_DISTRIBUTED: the port is taken, nobody serves the store, ranks have not
  /// come.
  static std::shared_ptr<Group> join(const GroupOptions& options, const Job& job);
  ~Group() override;

  int rank() const { return options_.rank; }
  int size() const { return options_.size; }
  /// The first one decides and writes.
  bool leads() const { return options_.rank == 0; }

  /// Sums a contiguous tensor over all processes, in place: the same bits in each.
  Pending all_reduce(const at::Tensor& tensor);
  /// Gives `own` of each process to all: pieces[rank] receives it, all of one size.
  Pending all_gather(const std::vector<at::Tensor>& pieces, const at::Tensor& own);
  /// Gives the tensor of one process to all others, in place.
  Pending broadcast(const at::Tensor& tensor, int from);
  void wait(const Pending& pending, const Job& job);

  /// Sums figures over all processes, in the order of ranks; one that a process lacks counts as zero there.
  std::map<std::string, double> sum(const std::map<std::string, double>& figures, const Job& job);

  /// A message to whoever waits for its name. Comes back at once.
  void post(const std::string& name, const std::string& text);
  /// Waits for a message as long as its sender lives: others may take their time over files and evaluations.
  std::string await_post(const std::string& name, int from, const Job& job);

  /// Tells the others that this process ends, and whether well. One that serves the store stays until the
  /// others have ended too, or have fallen silent.
  void leave(const Error* failure);

  int64_t bytes() const override { return 0; }

 private:
  struct Engines;
  explicit Group(const GroupOptions& options, const Job& job);

  std::vector<std::string> gather(const std::string& own, const Job& job);
  [[noreturn]] void fail(const std::string& cause, int64_t number, const Job& job);

  GroupOptions options_;
  std::unique_ptr<Engines> engines_;
  bool spent_ = false;
};

}  // namespace tongueforge::distributed
