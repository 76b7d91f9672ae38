#include "clusters/start.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "clusters/nearest.h"

namespace tongueforge::clusters {
namespace {

constexpr int64_t kPointsPerThread = 256;

int64_t below(int64_t limit, Random& random) {
  return static_cast<int64_t>(random.uniform() * static_cast<double>(limit));
}

/// How far each point would be from its nearest centre with one more.
std::vector<double> with_centre(std::span<const float> points, int64_t width,
                                std::span<const double> distances, const float* centre) {
  std::vector<double> nearer(distances.size());
  at::parallel_for(0, static_cast<int64_t>(nearer.size()), kPointsPerThread, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++)
      nearer[i] = std::min(distances[i], squared_distance(points.data() + i * width, centre, width));
  });
  return nearer;
}

}  // namespace

std::vector<int64_t> draw_without_repeat(int64_t size, int64_t count, Random& random) {
  std::vector<int64_t> numbers(static_cast<size_t>(size));
  std::iota(numbers.begin(), numbers.end(), 0);
  for (int64_t i = 0; i < count; i++) std::swap(numbers[i], numbers[i + below(size - i, random)]);
  numbers.resize(static_cast<size_t>(count));
  return numbers;
}

int64_t draw_by_weight(std::span<const double> weights, Random& random) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  const auto size = static_cast<int64_t>(weights.size());
  if (!(total > 0)) return below(size, random);
  double rest = random.uniform() * total;
  int64_t last = 0;  // with a weight: rounding must not lead behind it
  for (int64_t i = 0; i < size; i++) {
    if (!(weights[i] > 0)) continue;
    last = i;
    rest -= weights[i];
    if (rest < 0) break;
  }
  return last;
}

std::vector<float> plus_plus_start(std::span<const float> points, int64_t width, int64_t clusters,
                                   Random& random, Job& job) {
  const auto count = static_cast<int64_t>(points.size()) / width;
  const int64_t trials = 2 + static_cast<int64_t>(std::log(static_cast<double>(clusters)));
  std::vector<double> distances(static_cast<size_t>(count), std::numeric_limits<double>::infinity());
  std::vector<float> centres;
  const auto add = [&](int64_t point, std::vector<double> nearer) {
    centres.insert(centres.end(), points.begin() + point * width, points.begin() + (point + 1) * width);
    distances = std::move(nearer);
  };
  const int64_t first = below(count, random);
  add(first, with_centre(points, width, distances, points.data() + first * width));
  for (int64_t cluster = 1; cluster < clusters; cluster++) {
    job.check();
    int64_t chosen = -1;
    double least = std::numeric_limits<double>::infinity();
    std::vector<double> best;
    for (int64_t trial = 0; trial < trials; trial++) {
      const int64_t point = draw_by_weight(distances, random);
      auto nearer = with_centre(points, width, distances, points.data() + point * width);
      const double sum = std::accumulate(nearer.begin(), nearer.end(), 0.0);
      if (sum >= least) continue;
      least = sum;
      chosen = point;
      best = std::move(nearer);
    }
    add(chosen, std::move(best));
  }
  return centres;
}

}  // namespace tongueforge::clusters
