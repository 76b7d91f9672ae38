// A Job on its own thread, with a promise and events for JavaScript. It survives worker.terminate(),
// process.exit(), an uncaught throw and an abort at any instant.
//
// Threads: [JS] = the thread of the environment that started the job, [job] = its own. Rules of its life:
// 1. [JS] start: the promise, then the thread-safe function, then the cleanup hook (hooks run last-in
// first-out,
//    so ours runs before the thread-safe function is torn down), then the thread.
// 2. [job] events go into a slot under a mutex; at most one call is pending, never blocking: a blocking call
//    would deadlock with rule 4.
// 3. [JS] deliver: an environment that is stopping gives env == null, and *this may already be gone: touch
// nothing.
// 4. [JS] cleanup hook: cancel, then join. [JS] finalizer: settle the promise unless the environment is gone,
// delete.
// 5. [JS] shutdown_jobs() on process 'exit': the main thread runs no cleanup hooks, but C++ static
// destructors
//    do run there and would pull libtorch away from under a running job.
#pragma once
#include <napi.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/job.h"

namespace tongueforge::binding {

class JobThread final : public Job {
 public:
  using Body = std::function<Value(Job&)>;

  /// [JS] Starts the body; returns {id, promise}. `on_event(progress | undefined, items)` hears of it.
  static Napi::Value start(Napi::Env env, Napi::Function on_event, Body body);
  /// [JS] Asks one job to stop; an ended job is simply not found.
  static void cancel(Napi::Env env, int64_t id);
  /// [JS] Stops all jobs of this environment and waits for them.
  static void shutdown(Napi::Env env);

  bool cancelled() const override { return cancel_.load(std::memory_order_acquire); }
  void progress(Value latest) override;
  void emit(Value item) override;

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kMinInterval{20};

  struct Events {  // what waits for delivery
    std::optional<Value> progress;
    Value::List items;
    bool empty() const { return !progress && items.empty(); }
  };

  void run();                 // [job]
  void post(bool final);      // [job]
  void stop();                // [JS] cancel and join; may be called twice
  void fail(Error error);     // the first failure wins
  void settle(napi_env env);  // [JS]
  static void deliver(napi_env env, napi_value callback, void* self, void*);  // [JS]
  static void finalize(napi_env env, void* self, void*);                      // [JS]
  static void on_environment_cleanup(void* self);                             // [JS]

  Body body_;
  Value result_;
  int64_t id_ = 0;
  napi_deferred deferred_ = nullptr;
  napi_threadsafe_function function_ = nullptr;
  std::thread thread_;
  std::atomic<bool> cancel_{false};
  bool closing_ = false;           // [job] napi_closing was seen: our reference is gone
  bool environment_gone_ = false;  // [JS]
  bool reader_gone_ = false;       // [JS] the listener threw
  Clock::time_point last_post_{};  // [job]
  std::mutex mutex_;               // guards what follows
  bool pending_ = false;
  Events events_;
  std::optional<Error> error_;
};

}  // namespace tongueforge::binding
