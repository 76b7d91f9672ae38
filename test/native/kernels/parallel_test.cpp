#include "doctest.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "kernels/aten.h"

// A build without OpenMP computes the same numbers, on one thread.
TEST_CASE("loops of kernels run on as many threads as libtorch is told") {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int64_t> sum{0};
  at::parallel_for(0, 2, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) sum += i + 1;
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  at::set_num_threads(before);
  CHECK(sum == 3);
  CHECK(threads.size() == 2);
}
