// The same bytes for the same numbers on a GPU, where libtorch by itself lets the order of sums differ.
#pragma once

namespace tongueforge::kernels {

/// While one lives that was asked for, libtorch's operators take a way that gives the same bytes each time,
/// and throw where they have none. That holds for the whole process, whose other work is then slower, never
/// wrong.
class DeterministicScope {
 public:
  explicit DeterministicScope(bool asked);
  ~DeterministicScope();
  DeterministicScope(const DeterministicScope&) = delete;
  DeterministicScope& operator=(const DeterministicScope&) = delete;

 private:
  bool asked_;
};

}  // namespace tongueforge::kernels
