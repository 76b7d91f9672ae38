#include "clusters/nearest.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/aten.h"
#include "kernels/matrix_product.h"

namespace tongueforge::clusters {
namespace {

/// Points whose products with all centres are computed at once, by one thread.
constexpr int64_t kBlock = 512;
constexpr int64_t kBlocksPerCheck = 64;
/// Of a float32 sum or product.
constexpr double kRounding = 0x1p-24;
/// Sums that run side by side; added up in one order at the end.
constexpr int64_t kLanes = 8;

double squared_length(const float* values, int64_t width) {
  double sum = 0;
  for (int64_t i = 0; i < width; i++) sum += static_cast<double>(values[i]) * values[i];
  return sum;
}

at::Tensor matrix(const float* data, int64_t rows, int64_t columns) {
  return at::from_blob(const_cast<float*>(data), {rows, columns}, at::kFloat);
}

}  // namespace

double squared_distance(const float* a, const float* b, int64_t width) {
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; lane++) {
      const double difference = static_cast<double>(a[i + lane]) - b[i + lane];
      sums[lane] += difference * difference;
    }
  }
  double sum = 0;
  for (const double part : sums) sum += part;
  for (; i < width; i++) sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return sum;
}

Centres::Centres(std::vector<float> centres, int64_t width)
    : values_(std::move(centres)), count_(static_cast<int64_t>(values_.size()) / width), width_(width) {
  for (int64_t k = 0; k < count_; k++) {
    const double squared = squared_length(values_.data() + k * width_, width_);
    half_norms_.push_back(static_cast<float>(squared / 2));
    longest_ = std::max(longest_, std::sqrt(squared));
  }
}

void Centres::nearest(std::span<const float> points, int32_t* labels, double* distances, Job& job) const {
  const auto count = static_cast<int64_t>(points.size()) / width_;
  const int64_t blocks = (count + kBlock - 1) / kBlock;
  for (int64_t begun = 0; begun < blocks; begun += kBlocksPerCheck) {
    job.check();
    const int64_t end = std::min(begun + kBlocksPerCheck, blocks);
    at::parallel_for(begun, end, 1, [&](int64_t from, int64_t to) {
      for (int64_t block = from; block < to; block++) {
        const int64_t first = block * kBlock;
        nearest_in_block(points.data() + first * width_, std::min(kBlock, count - first), labels + first,
                         distances + first);
      }
    });
  }
}

// |x - c|^2 = |x|^2 + 2 (|c|^2 / 2 - x c): the part in brackets, the score, tells which centre is nearest.
void Centres::nearest_in_block(const float* points, int64_t count, int32_t* labels, double* distances) const {
  const auto products_NK =
      kernels::matrix_product(matrix(points, count, width_), matrix(values_.data(), count_, width_).t());
  auto* const scores = products_NK.data_ptr<float>();
  for (int64_t n = 0; n < count; n++) {
    const float* const point = points + n * width_;
    float* const row = scores + n * count_;
    for (int64_t k = 0; k < count_; k++) row[k] = half_norms_[k] - row[k];
    const float best = *std::min_element(row, row + count_);
    // How far a score may be off, whatever the order of the sum: (D + 4) roundings of its largest terms.
    const double length = std::sqrt(squared_length(point, width_));
    const double error = static_cast<double>(width_ + 4) * kRounding * longest_ * (length + longest_ / 2);
    const double limit = static_cast<double>(best) + 2 * error;
    distances[n] = INFINITY;
    for (int64_t k = 0; k < count_; k++) {
      if (static_cast<double>(row[k]) > limit) continue;
      const double distance = squared_distance(point, values_.data() + k * width_, width_);
      if (distance >= distances[n]) continue;
      distances[n] = distance;
      labels[n] = static_cast<int32_t>(k);
    }
  }
}

}  // namespace tongueforge::clusters
