#include "binding/priority.h"

#include <sys/resource.h>

namespace tongueforge::binding {

void lower_priority() {
  constexpr int kLevels = 10;
  constexpr id_t kThisThread = 0;
  // Where the system forbids it, the job works as it would without.
  ::setpriority(PRIO_PROCESS, kThisThread, ::getpriority(PRIO_PROCESS, kThisThread) + kLevels);
}

}  // namespace tongueforge::binding
