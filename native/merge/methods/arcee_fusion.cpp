#include "merge/methods/arcee_fusion.h"

#include <algorithm>
#include <cmath>

#include "merge/methods/rounding.h"
#include "merge/methods/selection.h"

namespace tongueforge::merge {
namespace {

/// log(sum exp(values)).
double log_sum(const float* values, size_t size) {
  const double top = *std::max_element(values, values + size);
  double sum = 0;
  for (size_t i = 0; i < size; ++i) sum += std::exp(values[i] - top);
  return top + std::log(sum);
}

/// sum p log(p / q) with p = softmax(x), q = softmax(b).
double divergence(const float* x, const float* b, size_t size) {
  const double of_x = log_sum(x, size), of_b = log_sum(b, size);
  double sum = 0;
  for (size_t i = 0; i < size; ++i) {
    const double log_p = x[i] - of_x, log_q = b[i] - of_b;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return std::max(0.0, sum);
}

std::vector<float> importance_of(const float* x, const float* b, size_t size, size_t row) {
  std::vector<float> importance(size);
  for (size_t at = 0; at < size; at += row) {
    const double factor = divergence(x + at, b + at, row);
    for (size_t i = at; i < at + row; ++i)
      importance[i] = static_cast<float>(std::fabs(x[i] - b[i]) * factor);
  }
  return importance;
}

double threshold_of(const std::vector<float>& importance) {
  const auto quartile = [&](size_t quarters) -> double {
    return ranked(importance.data(), importance.size(), (importance.size() - 1) * quarters / 4);
  };
  return quartile(2) + 1.5 * (quartile(3) - quartile(1));
}

}  // namespace

void merge_arcee_fusion(const MethodTensor& tensor, float* out) {
  if (tensor.size == 0) return;
  const float *x = tensor.inputs[0].values, *b = tensor.base;
  const size_t row = tensor.shape.empty() ? 1 : static_cast<size_t>(tensor.shape.back());
  const auto importance = importance_of(x, b, tensor.size, row);
  const auto threshold = static_cast<float>(threshold_of(importance));
  for_rounding(tensor.compat.value_or(DType::F32), [&](auto round) {
    for (size_t i = 0; i < tensor.size; ++i) {
      const float changed = tensor.compat ? round(b[i] + round(x[i] - b[i])) : x[i];
      out[i] = importance[i] >= threshold ? changed : b[i];
    }
  });
}

}  // namespace tongueforge::merge
