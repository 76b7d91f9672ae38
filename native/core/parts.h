// Work on parts of a range, one thread a part, for code that sees no libtorch.
#pragma once
#include <cstddef>
#include <exception>
#include <thread>
#include <vector>

namespace tongueforge {

/// Cuts 0..size into `parts` neighbouring ranges and calls work(part, begin, end) for each at the same time,
/// the first on this thread. Returns when all have ended; throws what the first failed one threw.
template <class Work>
void for_each_part(size_t parts, size_t size, const Work& work) {
  std::vector<std::exception_ptr> failures(parts);
  const auto run = [&](size_t part) {
    try {
      work(part, size * part / parts, size * (part + 1) / parts);
    } catch (...) { failures[part] = std::current_exception(); }
  };
  std::vector<std::jthread> others;
  for (size_t part = 1; part < parts; part++) others.emplace_back(run, part);
  run(0);
  others.clear();  // waits for them
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace tongueforge
