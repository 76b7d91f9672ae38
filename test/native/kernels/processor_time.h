// What work costs in this thread's processor time, whatever else the machine does.
#pragma once
#include <algorithm>
#include <ctime>
#include <limits>

namespace tongueforge::test {

inline double processor_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// The best of nine, after one that does not count.
template <class Work>
double seconds_of(const Work& work) {
  work();
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 9; i++) {
    const double start = processor_seconds();
    work();
    best = std::min(best, processor_seconds() - start);
  }
  return best;
}

}  // namespace tongueforge::test
