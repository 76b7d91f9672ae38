// How long a linear layer takes, as it is and another way: found by timing both.
#pragma once
#include <functional>
#include <vector>

#include "core/job.h"

namespace tongueforge::models {

/// Seconds of one product, the least of several.
struct ProductTimes {
  double dense = 0, other = 0;
};

constexpr double kLargestShare = 0.95;

struct Products {
  std::function<void()> dense, other;
};

/// In turns, so that what else the machine does hits both.
ProductTimes time_products(const Products& products);

/// The same for all layers of a model, in passes over all of them as it runs: each is timed with as much of
/// it in the caches as in use, where memory may be all that a product waits for. Asks the job between layers.
std::vector<ProductTimes> time_in_passes(const std::vector<Products>& all, const Job& job);

/// Whether the other one takes at most kLargestShare of the dense one.
bool pays(const ProductTimes& times);

}  // namespace tongueforge::models
