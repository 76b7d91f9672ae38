// Many requests on one model at the same time: in each step every running sequence gets its next token
// (continuous batching: Yu et al., Orca, OSDI 2022), keys and values lie in pages of one pool.
//
// What a request is answered depends on nothing but itself and its weights: every value of a forward pass is
// computed for its row alone (kernels/row_product.h, kernels/paged_attention.h), so neither company, nor
// order, nor a lost seat, nor pages found change a bit.
//
// Threads: run() belongs to one thread at a time, which owns sequences and pool; all else may be called from
// any.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/job.h"
#include "models/decoder.h"
#include "serve/request.h"
#include "serve/scheduler.h"

namespace tongueforge::serve {

struct EngineOptions {
  int64_t seats = 32;                      // sequences that run at the same time
  int64_t queue = 256;                     // that may wait beside them
  int64_t cache_bytes = int64_t{1} << 30;  // of the pool
  int64_t context = 0;  // positions of the longest sequence; 0: as the model and the pool allow
  bool keeps_prefixes = true;
  double step_seconds = 0.05;  // that long prompts may take of a step, about
  int64_t most_unheard = 0;    // tokens that nobody has acknowledged, before it waits; 0: no bound
};

struct Stats {
  int64_t running = 0, waiting = 0;
  int64_t pages = 0, pages_in_use = 0, pages_kept = 0, page_size = 0, context = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0, new_tokens = 0;  // since the start
  int64_t ended = 0, refused = 0, unseated = 0, steps = 0;
  double busy_seconds = 0;  // in steps
};

/// Weights that requests run on, and the root of the pages that they fill.
struct Weights {
  std::shared_ptr<const models::Decoder> model;
  uint64_t root;
};

class Engine final : public Object {
 public:
  /// Throws ERR_DEVICE, ERR_DTYPE or ERR_MODEL_CONFIG for a model that it does not run, and
  /// ERR_OUT_OF_MEMORY, with the numbers, where the pool cannot hold one sequence of the context.
  Engine(std::shared_ptr<const models::Decoder> model, const EngineOptions& options);

  /// The number of the request. Throws ERR_QUEUE_FULL, ERR_DATA for what is no prompt, ERR_CONTEXT for one
  /// that is too long. New tokens end at the context.
  int64_t submit(Request request);
  /// Ends a request between two steps; one that has ended is simply not found.
  void cancel(int64_t request);
  /// Requests from now on run on these weights; those that are there go on with theirs.
  void use(std::shared_ptr<const models::Decoder> model);
  /// So many tokens have reached their reader.
  void acknowledge(int64_t tokens);
  Stats stats() const;

  /// Answers until no request is left, or the job is cancelled. Throws nothing else than Cancelled: what goes
  /// wrong in a step ends the requests of that step. One thread at a time; after Cancelled, not again.
  void run(Audience& audience, const Job& job);

  int64_t bytes() const override { return pool_bytes_; }
  /// So many are there in this process.
  static int64_t alive() { return Counted::count.load(std::memory_order_relaxed); }

 private:
  struct Counted {
    Counted() { count.fetch_add(1, std::memory_order_relaxed); }
    ~Counted() { count.fetch_sub(1, std::memory_order_relaxed); }
    Counted(const Counted&) = delete;
    inline static std::atomic<int64_t> count{0};
  };
  struct Inbox {
    std::vector<std::unique_ptr<Sequence>> sequences;
    std::vector<int64_t> cancelled;
    int64_t unheard = 0;
  };

  bool take_in(Audience& audience, const Job& job);
  void step(Audience& audience, const Job& job);
  at::Tensor next_logits(const std::vector<Work>& step, const Job& job);
  void choose(const std::vector<Work>& ready, const at::Tensor& logits_RV, std::vector<End>& ends,
              Audience& audience);
  void end(int64_t number, Reason reason, std::vector<End>& ends, std::optional<Error> error = {});
  void publish_stats();

  EngineOptions options_;
  int64_t context_ = 0, pool_bytes_ = 0;
  // of the thread of run()
  Scheduler scheduler_;
  nn::Rotation table_;
  models::DecoderCache pool_;
  double seconds_per_row_ = 0;
  Stats totals_;  // what only grows
  // of all threads
  mutable std::mutex mutex_;
  std::condition_variable news_;
  Inbox inbox_;
  Stats stats_;
  std::shared_ptr<const Weights> weights_;
  int64_t next_number_ = 1, unended_ = 0, refused_ = 0;
  uint64_t next_root_ = 1;
  Counted counted_;
};

}  // namespace tongueforge::serve
