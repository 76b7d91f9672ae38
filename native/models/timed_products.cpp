#include "models/timed_products.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace tongueforge::models {
namespace {

constexpr int kLeastRuns = 5, kMostRuns = 200;
constexpr double kSeconds = 0.02;  // for both

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

ProductTimes time_products(const std::function<void()>& dense, const std::function<void()>& other) {
  ProductTimes least = {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  double spent = 0;
  for (int run = 0; run < kLeastRuns || (run < kMostRuns && spent < kSeconds); run++) {
    const ProductTimes times = {seconds_of(dense), seconds_of(other)};
    least = {std::min(least.dense, times.dense), std::min(least.other, times.other)};
    spent += times.dense + times.other;
  }
  return least;
}

bool pays(const ProductTimes& times) { return times.other <= kLargestShare * times.dense; }

}  // namespace tongueforge::models
