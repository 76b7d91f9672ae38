// K-means: centres that the points of each are near to. Mini-batches (Sculley 2010), k-means++ before them,
// full steps (Lloyd 1982) after them if wanted. Letters: N points, K centres, D values of a point.
//
// A step on a mini-batch moves each centre to the mean of all points that were ever assigned to it. At every
// tenth batch, but not in the last tenth of them, a centre that no point of those ten batches came to is
// moved to a point of the last one, drawn by its squared distance from its own centre. Full steps leave a
// centre without points where it is, so that inertia never rises.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/job.h"

namespace tongueforge::clusters {

struct KMeansOptions {
  int64_t clusters = 512;
  /// Points that the start is drawn from, at most all; at least as many as there are clusters.
  int64_t start_points = 4096;
  int64_t batches = 300, batch_size = 2048;
  /// Steps on all points, after the batches; they end sooner where no centre moves any more.
  int64_t full_steps = 0;
  uint64_t seed = 1;
};

struct KMeans {
  std::vector<float> centres;  // (K, D)
  /// Of all points: mean squared distance from the nearest centre at the end, and after the batches and each
  /// full step.
  double inertia = 0;
  std::vector<double> course;
  /// Points of each centre at the end; of a centre that no point comes to 0.
  std::vector<int64_t> counts;  // (K)
  /// How often a centre without points was moved.
  int64_t reseeded = 0;
};

/// points (N, D). A pure function of points, their order, and options: the same bytes for any number of
/// threads. Progress: {done, total} steps. @throws ERR_DATA for fewer points than clusters
KMeans k_means(std::span<const float> points, int64_t width, const KMeansOptions& options, Job& job);

}  // namespace tongueforge::clusters
