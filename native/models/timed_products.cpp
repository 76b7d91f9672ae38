#include "models/timed_products.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace tongueforge::models {
namespace {

constexpr int kLeastRuns = 5, kMostRuns = 200;
constexpr double kSeconds = 0.02;  // for both products of a layer

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

ProductTimes time_products(const Products& products) {
  return time_in_passes({products}, SilentJob()).front();
}

std::vector<ProductTimes> time_in_passes(const std::vector<Products>& all, const Job& job) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<ProductTimes> least(all.size(), {kNever, kNever});
  double spent = 0;
  const auto pass = [&](auto work, auto time) {
    for (size_t i = 0; i < all.size(); i++) {
      job.check();
      const double seconds = seconds_of(all[i].*work);
      least[i].*time = std::min(least[i].*time, seconds);
      spent += seconds;
    }
  };
  const double enough = kSeconds * static_cast<double>(all.size());
  for (int run = 0; run < kLeastRuns || (run < kMostRuns && spent < enough); run++) {
    pass(&Products::dense, &ProductTimes::dense);
    pass(&Products::other, &ProductTimes::other);
  }
  return least;
}

bool pays(const ProductTimes& times) { return times.other <= kLargestShare * times.dense; }

}  // namespace tongueforge::models
