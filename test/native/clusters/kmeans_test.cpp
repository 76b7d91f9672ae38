#include "clusters/kmeans.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cancels_after.h"
#include "clusters/nearest.h"
#include "clusters/start.h"
#include "core/error.h"
#include "core/random.h"
#include "testing.h"

using namespace tongueforge;
using clusters::KMeansOptions;

namespace {

/// Points around `groups` middles that lie far apart.
std::vector<float> grouped(int64_t points, int64_t width, int64_t groups, uint64_t seed,
                           double spread = 0.3) {
  Random random(seed);
  std::vector<double> middles(static_cast<size_t>(groups * width));
  for (double& value : middles) value = 20 * random.uniform();
  std::vector<float> values;
  for (int64_t i = 0; i < points; i++)
    for (int64_t d = 0; d < width; d++)
      values.push_back(
          static_cast<float>(middles[i % groups * width + d] + spread * (random.uniform() - 0.5)));
  return values;
}

clusters::KMeans fitted(const std::vector<float>& points, int64_t width, const KMeansOptions& options) {
  SilentJob job;
  return clusters::k_means(points, width, options, job);
}

struct Found {
  std::vector<int32_t> labels;
  std::vector<double> distances;
};

Found nearest(const std::vector<float>& points, const std::vector<float>& centres, int64_t width) {
  const size_t count = points.size() / static_cast<size_t>(width);
  Found found{std::vector<int32_t>(count), std::vector<double>(count)};
  SilentJob job;
  clusters::Centres(centres, width).nearest(points, found.labels.data(), found.distances.data(), job);
  return found;
}

/// Each point with each centre, in double.
Found compared(const std::vector<float>& points, const std::vector<float>& centres, int64_t width) {
  Found found;
  for (size_t n = 0; n < points.size(); n += width) {
    double least = std::numeric_limits<double>::infinity();
    int32_t label = -1;
    for (size_t k = 0; k < centres.size(); k += width) {
      double sum = 0;
      for (int64_t d = 0; d < width; d++) {
        const double difference = static_cast<double>(points[n + d]) - centres[k + d];
        sum += difference * difference;
      }
      if (sum < least) least = sum, label = static_cast<int32_t>(k / width);
    }
    found.labels.push_back(label);
    found.distances.push_back(least);
  }
  return found;
}

}  // namespace

TEST_CASE("clusters: the nearest centre is the one that comparing with each finds") {
  for (const int64_t width : {1, 3, 40, 129}) {
    for (const double offset : {0.0, 1000.0}) {  // far from 0 float32 products are coarse: labels must not be
      CAPTURE(width);
      CAPTURE(offset);
      auto points = grouped(1500, width, 700, 11, 8), centres = grouped(64, width, 64, 12, 8);
      for (float& value : points) value += static_cast<float>(offset);
      for (float& value : centres) value += static_cast<float>(offset);
      const auto found = nearest(points, centres, width), expected = compared(points, centres, width);
      CHECK(found.labels == expected.labels);
      for (size_t n = 0; n < found.distances.size(); n++)
        CHECK(found.distances[n] == doctest::Approx(expected.distances[n]).epsilon(1e-12));
    }
  }
}

TEST_CASE("clusters: of equal centres the first one is the nearest") {
  const std::vector<float> centres = {5, 5, 1, 1, 1, 1};
  CHECK(nearest({1, 1, 5, 4}, centres, 2).labels == std::vector<int32_t>{1, 0});
}

TEST_CASE("clusters: the start is points of the data, no two of them equal, and the seed's alone") {
  const auto points = grouped(600, 5, 30, 3);
  SilentJob job;
  const auto start = [&](uint64_t seed) {
    Random random(seed);
    return clusters::plus_plus_start(points, 5, 30, random, job);
  };
  const auto centres = start(1);
  CHECK(start(1) == centres);
  CHECK(start(2) != centres);
  for (const double distance : nearest(centres, points, 5).distances) CHECK(distance == 0);
  // Groups far apart: one centre each.
  auto labels = nearest(points, centres, 5).labels;
  for (size_t n = 30; n < labels.size(); n++) CHECK(labels[n] == labels[n % 30]);
  std::sort(labels.begin(), labels.begin() + 30);
  for (int32_t k = 0; k < 30; k++) CHECK(labels[k] == k);
}

TEST_CASE("clusters: things are drawn as often as their weight, and none without one") {
  Random random(9);
  const std::vector<double> weights = {0, 1, 0, 3, 0};
  std::vector<int> drawn(5);
  for (int i = 0; i < 4000; i++) drawn[clusters::draw_by_weight(weights, random)]++;
  CHECK(drawn[0] + drawn[2] + drawn[4] == 0);
  CHECK(std::abs(drawn[3] - 3000) < 150);
  auto numbers = clusters::draw_without_repeat(50, 50, random);
  std::sort(numbers.begin(), numbers.end());
  for (int64_t i = 0; i < 50; i++) CHECK(numbers[i] == i);
}

TEST_CASE("clusters: groups that lie far apart are found, with their sizes and their spread") {
  const auto points = grouped(4000, 8, 20, 5);
  const auto found = fitted(points, 8, {.clusters = 20, .batches = 60, .batch_size = 256, .full_steps = 3});
  for (const int64_t count : found.counts) CHECK(count == 200);
  CHECK(found.inertia == doctest::Approx(8 * 0.3 * 0.3 / 12).epsilon(0.05));
  CHECK(found.course.back() == found.inertia);
}

TEST_CASE("clusters: inertia never rises in full steps") {
  for (const uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    const auto points = grouped(3000, 6, 400, seed, 12);
    const auto found =
        fitted(points, 6, {.clusters = 50, .batches = 2, .batch_size = 64, .full_steps = 25, .seed = seed});
    REQUIRE(found.course.size() > 5);
    for (size_t step = 1; step < found.course.size(); step++)
      CHECK(found.course[step] <= found.course[step - 1] * (1 + 1e-9));
    CHECK(found.course.back() < found.course.front());
  }
}

TEST_CASE("clusters: the same bytes for the same seed and any number of threads, others for another seed") {
  const auto points = grouped(20000, 40, 300, 8, 6);
  const KMeansOptions options{.clusters = 64, .batches = 40, .batch_size = 1500, .full_steps = 2, .seed = 5};
  at::set_num_threads(1);
  const auto one = fitted(points, 40, options);
  for (const int threads : {2, 3}) {
    at::set_num_threads(threads);
    const auto again = fitted(points, 40, options);
    CHECK(again.centres == one.centres);
    CHECK(again.inertia == one.inertia);
  }
  at::set_num_threads(1);
  CHECK(fitted(points, 40, {.clusters = 64, .batches = 40, .batch_size = 1500, .full_steps = 2, .seed = 6})
            .centres != one.centres);
}

TEST_CASE("clusters: a centre without points is moved, and ends with some") {
  // The start sees one point in a thousand, and so knows nothing of the second half.
  auto points = grouped(4000, 4, 2, 21);
  for (size_t i = 0; i < points.size() / 2; i++) points[i] = 0;
  const auto found = fitted(points, 4, {.clusters = 8, .start_points = 8, .batches = 200, .batch_size = 200});
  CHECK(found.reseeded > 0);
  const auto used =
      std::count_if(found.counts.begin(), found.counts.end(), [](int64_t count) { return count > 0; });
  CHECK(used >= 6);
  CHECK(std::accumulate(found.counts.begin(), found.counts.end(), int64_t{0}) == 4000);
}

TEST_CASE("clusters: points that are all equal make one cluster, and the others are empty") {
  const auto found =
      fitted(std::vector<float>(300, 2.5f), 3, {.clusters = 4, .batches = 20, .batch_size = 30});
  CHECK(found.inertia == 0);
  CHECK(found.counts[0] == 100);
}

TEST_CASE("clusters: fewer points than clusters are refused, a job that is cancelled ends") {
  CHECK_THROWS_WITH_AS(fitted(std::vector<float>(9), 3, {.clusters = 4}),
                       doctest::Contains("at least as many frames as clusters, 4, received 3"), Error);
  const auto points = grouped(2000, 4, 20, 1);
  for (const int questions : {0, 3, 40}) {
    test::CancelsAfter cancelled(questions);
    CHECK_THROWS_AS(clusters::k_means(points, 4, {.clusters = 20}, cancelled), Cancelled);
  }
}
