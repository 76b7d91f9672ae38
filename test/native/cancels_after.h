// A job that is cancelled after so many questions.
#pragma once
#include "core/job.h"

namespace tongueforge::test {

class CancelsAfter final : public Job {
 public:
  explicit CancelsAfter(int questions) : left_(questions) {}

  bool cancelled() const override { return left_-- <= 0; }
  void progress(Value) override {}
  void emit(Value) override {}

 private:
  mutable int left_;
};

}  // namespace tongueforge::test
