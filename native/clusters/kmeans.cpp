#include "clusters/kmeans.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "clusters/nearest.h"
#include "clusters/start.h"
#include "core/error.h"
#include "core/random.h"

namespace tongueforge::clusters {
namespace {

/// Batches between two looks for centres without points.
constexpr int64_t kReseedEvery = 10;

/// What the points of a step say.
struct Assigned {
  std::vector<int32_t> labels;    // (N)
  std::vector<double> distances;  // (N)
  std::vector<double> sums;       // (K, D)
  std::vector<int64_t> counts;    // (K)

  double inertia() const {
    return std::accumulate(distances.begin(), distances.end(), 0.0) / static_cast<double>(distances.size());
  }
};

class Fit {
 public:
  Fit(std::span<const float> points, int64_t width, const KMeansOptions& options, Job& job)
      : points_(points),
        width_(width),
        count_(static_cast<int64_t>(points.size()) / width),
        options_(options),
        job_(job),
        random_(options.seed) {}

  KMeans run() {
    check_counts();
    start();
    for (int64_t batch = 0; batch < options_.batches; batch++) batch_step(batch);
    auto assigned = assign(points_);
    course_.push_back(assigned.inertia());
    for (int64_t step = 0; step < options_.full_steps && full_step(assigned); step++)
      course_.push_back(assigned.inertia());
    return {.centres = rounded(),
            .inertia = assigned.inertia(),
            .course = course_,
            .counts = assigned.counts,
            .reseeded = reseeded_};
  }

 private:
  void check_counts() const {
    if (count_ >= options_.clusters) return;
    throw Error(
        "ERR_DATA",
        str("expected at least as many frames as clusters, ", options_.clusters, ", received ", count_),
        "Fewer clusters, or more sound.");
  }

  void start() {
    const int64_t wanted = std::max(options_.start_points, options_.clusters);
    const auto chosen = draw_without_repeat(count_, std::min(wanted, count_), random_);
    const auto centres = plus_plus_start(gathered(chosen), width_, options_.clusters, random_, job_);
    centres_.assign(centres.begin(), centres.end());
    seen_.assign(static_cast<size_t>(options_.clusters), 0);
    lately_.assign(static_cast<size_t>(options_.clusters), 0);
  }

  void batch_step(int64_t number) {
    std::vector<int64_t> chosen(static_cast<size_t>(options_.batch_size));
    for (int64_t& point : chosen)
      point = static_cast<int64_t>(random_.uniform() * static_cast<double>(count_));
    const auto batch = gathered(chosen);
    const auto assigned = assign(batch);
    for (int64_t k = 0; k < options_.clusters; k++) {
      if (assigned.counts[k] == 0) continue;
      seen_[k] += assigned.counts[k];
      lately_[k] += assigned.counts[k];
      const double share = 1 / static_cast<double>(seen_[k]), own = static_cast<double>(assigned.counts[k]);
      for (int64_t i = k * width_; i < (k + 1) * width_; i++)
        centres_[i] += (assigned.sums[i] - own * centres_[i]) * share;
    }
    const int64_t done = number + 1;
    if (done % kReseedEvery == 0 && done * 10 <= options_.batches * 9) reseed(batch, assigned.distances);
    tell(done);
  }

  /// Moves centres that no point came to lately to points of the batch that are far from theirs.
  void reseed(std::span<const float> batch, std::vector<double> distances) {
    for (int64_t k = 0; k < options_.clusters; k++) {
      if (std::exchange(lately_[k], 0) > 0) continue;
      const int64_t point = draw_by_weight(distances, random_);
      distances[point] = 0;
      std::copy_n(batch.begin() + point * width_, width_, centres_.begin() + k * width_);
      seen_[k] = 1;
      reseeded_++;
    }
  }

  /// Every centre to the mean of its points, and the points to the centres that are nearest now. Whether one
  /// moved.
  bool full_step(Assigned& assigned) {
    const auto before = rounded();
    for (int64_t k = 0; k < options_.clusters; k++) {
      if (assigned.counts[k] == 0) continue;
      const auto own = static_cast<double>(assigned.counts[k]);
      for (int64_t i = k * width_; i < (k + 1) * width_; i++) centres_[i] = assigned.sums[i] / own;
    }
    if (rounded() == before) return false;
    assigned = assign(points_);
    tell(options_.batches + static_cast<int64_t>(course_.size()));
    return true;
  }

  Assigned assign(std::span<const float> points) {
    const auto count = points.size() / static_cast<size_t>(width_);
    Assigned assigned{.labels = std::vector<int32_t>(count),
                      .distances = std::vector<double>(count),
                      .sums = std::vector<double>(centres_.size()),
                      .counts = std::vector<int64_t>(static_cast<size_t>(options_.clusters))};
    Centres(rounded(), width_).nearest(points, assigned.labels.data(), assigned.distances.data(), job_);
    for (size_t n = 0; n < count; n++) {
      const int64_t k = assigned.labels[n];
      assigned.counts[k]++;
      for (int64_t i = 0; i < width_; i++) assigned.sums[k * width_ + i] += points[n * width_ + i];
    }
    return assigned;
  }

  std::vector<float> gathered(const std::vector<int64_t>& chosen) const {
    std::vector<float> values;
    values.reserve(chosen.size() * static_cast<size_t>(width_));
    for (const int64_t point : chosen)
      values.insert(values.end(), points_.begin() + point * width_, points_.begin() + (point + 1) * width_);
    return values;
  }

  /// As they will be written: labels are those of the centres that others read.
  std::vector<float> rounded() const { return {centres_.begin(), centres_.end()}; }

  void tell(int64_t done) const {
    job_.progress(Value::Map{{"done", done}, {"total", options_.batches + options_.full_steps}});
  }

  std::span<const float> points_;
  int64_t width_, count_;
  const KMeansOptions& options_;
  Job& job_;
  Random random_;
  std::vector<double> centres_;  // (K, D)
  std::vector<int64_t> seen_;    // (K): points that ever came to a centre
  std::vector<int64_t> lately_;  // (K): and since the last look
  std::vector<double> course_;
  int64_t reseeded_ = 0;
};

}  // namespace

KMeans k_means(std::span<const float> points, int64_t width, const KMeansOptions& options, Job& job) {
  return Fit(points, width, options, job).run();
}

}  // namespace tongueforge::clusters
