// Adam with decoupled decay (Kingma & Ba 2015, arXiv 1412.6980; Loshchilov & Hutter 2019, arXiv 1711.05101)
// on a row of numbers, in double.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace tongueforge::probe {

class Adam {
 public:
  explicit Adam(size_t size) : mean_(size), square_(size) {}

  /// One update. Values from `decay_from` to `decay_to` lose lr * weight_decay of themselves first.
  void step(std::span<double> values, std::span<const double> gradient, double lr, double weight_decay,
            size_t decay_from, size_t decay_to) {
    steps_++;
    const double mean_share = 1 - std::pow(kBeta1, steps_), square_share = 1 - std::pow(kBeta2, steps_);
    for (size_t i = 0; i < values.size(); i++) {
      if (i >= decay_from && i < decay_to) values[i] *= 1 - lr * weight_decay;
      mean_[i] += (1 - kBeta1) * (gradient[i] - mean_[i]);
      square_[i] = kBeta2 * square_[i] + (1 - kBeta2) * gradient[i] * gradient[i];
      values[i] -= lr / mean_share * mean_[i] / (std::sqrt(square_[i] / square_share) + kEps);
    }
  }

 private:
  static constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8;

  std::vector<double> mean_, square_;
  int steps_ = 0;
};

}  // namespace tongueforge::probe
