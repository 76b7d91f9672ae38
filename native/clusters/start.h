// Where k-means begins: k-means++ (Arthur & Vassilvitskii 2007), greedy.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/job.h"
#include "core/random.h"

namespace tongueforge::clusters {

/// Numbers of `count` of `size` things, each at most once, in the order they were drawn.
std::vector<int64_t> draw_without_repeat(int64_t size, int64_t count, Random& random);

/// The number of a thing, drawn as often as its weight is large; any of them where all weights are 0.
int64_t draw_by_weight(std::span<const double> weights, Random& random);

/// points (N, D) -> centres (clusters, D): the first one any point; each further one the best of 2 +
/// ln(clusters) points, drawn by their squared distance from the centres so far. The same bytes for any
/// number of threads.
std::vector<float> plus_plus_start(std::span<const float> points, int64_t width, int64_t clusters,
                                   Random& random, Job& job);

}  // namespace tongueforge::clusters
