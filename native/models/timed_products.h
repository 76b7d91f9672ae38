// How long a linear layer takes, as it is and another way: found by timing both.
#pragma once
#include <functional>

namespace tongueforge::models {

/// Seconds of one product, the least of several.
struct ProductTimes {
  double dense = 0, other = 0;
};

constexpr double kLargestShare = 0.95;

/// In turns, so that what else the machine does hits both.
ProductTimes time_products(const std::function<void()>& dense, const std::function<void()>& other);

/// Whether the other one takes at most kLargestShare of the dense one.
bool pays(const ProductTimes& times);

}  // namespace tongueforge::models
