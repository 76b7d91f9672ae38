#include "kernels/deterministic.h"

#include <mutex>

#include "kernels/aten.h"

namespace tongueforge::kernels {
namespace {

// libtorch has one setting a process, so it has to be known here, too, who still needs it.
std::mutex mutex;
int num_scopes = 0;

void use_deterministic(bool on) {
  at::globalContext().setDeterministicAlgorithms(on, /*warn_only=*/false);
  // Memory that is written before it is read need not be filled first.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

}  // namespace

DeterministicScope::DeterministicScope(bool asked) : asked_(asked) {
  const std::lock_guard lock(mutex);
  if (asked_ && num_scopes++ == 0) use_deterministic(true);
}

DeterministicScope::~DeterministicScope() {
  const std::lock_guard lock(mutex);
  if (asked_ && --num_scopes == 0) use_deterministic(false);
}

}  // namespace tongueforge::kernels
