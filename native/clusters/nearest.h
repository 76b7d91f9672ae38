// Which of K centres is nearest to each point, by squared Euclidean distance. Letters: N points, K centres, D
// values of a point.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/job.h"
#include "core/value.h"

namespace tongueforge::clusters {

/// The same labels as comparing each point with each centre in double, of equal ones the first, for any
/// number of threads: products of whole blocks, in float32, only find the centres that rounding lets be the
/// nearest, and those are compared in double.
class Centres final : public Object {
 public:
  /// centres (K, D)
  Centres(std::vector<float> centres, int64_t width);

  int64_t count() const { return count_; }
  int64_t width() const { return width_; }
  const std::vector<float>& values() const { return values_; }

  /// points (N, D) -> labels (N) and squared distances (N) from the nearest centre.
  void nearest(std::span<const float> points, int32_t* labels, double* distances, Job& job) const;

  int64_t bytes() const override { return static_cast<int64_t>(values_.size() * sizeof(float)); }

 private:
  void nearest_in_block(const float* points, int64_t count, int32_t* labels, double* distances) const;

  std::vector<float> values_;
  int64_t count_, width_;
  std::vector<float> half_norms_;  // (K): |c|^2 / 2
  double longest_ = 0;             // |c| of the longest
};

/// In double, summed in one order.
double squared_distance(const float* a, const float* b, int64_t width);

}  // namespace tongueforge::clusters
