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

/// sum p log(p / q) with p = softmax(x), q = softmax(b); with `compat` in steps of the working dtype.
template <class Round>
double divergence(const float* x, const float* b, size_t size, bool compat, Round round) {
  const double of_x = log_sum(x, size), of_b = log_sum(b, size);
  double sum = 0;
  for (size_t i = 0; i < size; ++i) {
    const double log_p = x[i] - of_x, log_q = b[i] - of_b;
    if (!compat) {
      sum += std::exp(log_p) * (log_p - log_q);
      continue;
    }
    const float p = round(static_cast<float>(std::exp(log_p)));
    const float q = round(static_cast<float>(std::exp(log_q)));
    sum += round(p * round(std::log(round(p / q))));
  }
  return compat ? round(static_cast<float>(sum)) : std::max(0.0, sum);
}

template <class Round>
std::vector<float> importance_of(const MethodTensor& tensor, Round round) {
  const float *x = tensor.inputs[0].values, *b = tensor.base;
  const size_t row = tensor.shape.empty() ? 1 : static_cast<size_t>(tensor.shape.back());
  std::vector<float> importance(tensor.size);
  for (size_t at = 0; at < tensor.size; at += row) {
    tensor.check();
    const double factor = divergence(x + at, b + at, row, tensor.compat.has_value(), round);
    for (size_t i = at; i < at + row; ++i)
      importance[i] = round(static_cast<float>(std::fabs(round(x[i] - b[i])) * factor));
  }
  return importance;
}

/// median + 1.5 (q75 - q25), where quantile q is the element of rank floor(q (n-1)).
template <class Round>
float threshold_of(const std::vector<float>& importance, Round round) {
  const auto quartile = [&](size_t quarters) {
    return ranked(importance.data(), importance.size(), (importance.size() - 1) * quarters / 4);
  };
  return round(quartile(2) + round(1.5f * round(quartile(3) - quartile(1))));
}

}  // namespace

void merge_arcee_fusion(const MethodTensor& tensor, float* out) {
  if (tensor.size == 0) return;
  for_rounding(tensor.compat.value_or(DType::F32), [&](auto round) {
    const auto importance = importance_of(tensor, round);
    tensor.check();
    const float threshold = threshold_of(importance, round);
    const float *x = tensor.inputs[0].values, *b = tensor.base;
    for (size_t i = 0; i < tensor.size; ++i) {
      const float changed = tensor.compat ? round(b[i] + round(x[i] - b[i])) : x[i];
      out[i] = importance[i] >= threshold ? changed : b[i];
    }
  });
}

}  // namespace tongueforge::merge
