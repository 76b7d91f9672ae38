#include <algorithm>
#include <cmath>

#include "probe/objective.h"

namespace tongueforge::probe {
namespace {

// row (C) <- softmax(row) - onehot(target), or zeros; returns -log softmax(row)[target]
double row_loss(double* row, int64_t classes, int32_t target, bool gradient) {
  if (target < 0) {
    if (gradient) std::fill_n(row, classes, 0.0);
    return 0;
  }
  const double most = *std::max_element(row, row + classes), at_target = row[target];
  double sum = 0;
  for (int64_t c = 0; c < classes; c++) sum += std::exp(row[c] - most);
  const double log_sum = most + std::log(sum);
  if (gradient) {
    for (int64_t c = 0; c < classes; c++) row[c] = std::exp(row[c] - log_sum);
    row[target] -= 1;
  }
  return log_sum - at_target;
}

class ClassObjective final : public Objective {
 public:
  int64_t terms(std::span<const int32_t> target) const override {
    return std::count_if(target.begin(), target.end(), [](int32_t label) { return label >= 0; });
  }

  double loss(double* logits, int64_t rows, int64_t classes, std::span<const int32_t> target,
              bool gradient) const override {
    double sum = 0;
    for (int64_t m = 0; m < rows; m++)
      sum += row_loss(logits + m * classes, classes, target[static_cast<size_t>(m)], gradient);
    return sum;
  }

  std::vector<int32_t> prediction(const double* logits, int64_t rows, int64_t classes) const override {
    std::vector<int32_t> best;
    for (int64_t m = 0; m < rows; m++) {
      const double* const row = logits + m * classes;
      best.push_back(static_cast<int32_t>(std::max_element(row, row + classes) - row));
    }
    return best;
  }
};

}  // namespace

std::unique_ptr<Objective> make_class_objective() { return std::make_unique<ClassObjective>(); }

}  // namespace tongueforge::probe
