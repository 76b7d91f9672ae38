// What a long piece of work sees of the one who started it: may it go on, and who listens.
#pragma once
#include <exception>

#include "core/value.h"

namespace tongueforge {

/// Thrown by Job::check() to unwind cancelled work; the caller answers with the reason of its abort signal.
struct Cancelled : std::exception {
  const char* what() const noexcept override { return "The job was aborted"; }
};

class Job {
 public:
  virtual ~Job() = default;
  /// To be asked at least every 50 ms: whoever waits for the end of the job waits for this answer.
  virtual bool cancelled() const = 0;
  /// Progress for a human or a bar: the newest value wins, some are never delivered.
  virtual void progress(Value latest) = 0;
  /// Part of the result (a token of a stream): every item is delivered, in order.
  virtual void emit(Value item) = 0;

  void check() const {
    if (cancelled()) throw Cancelled{};
  }
};

/// For callers without an audience: native tests and short internal work.
class SilentJob final : public Job {
 public:
  bool cancelled() const override { return false; }
  void progress(Value) override {}
  void emit(Value) override {}
};

}  // namespace tongueforge
