#include "merge/methods/sce.h"

#include <algorithm>
#include <cmath>

#include "merge/methods/rounding.h"
#include "merge/methods/selection.h"

namespace tongueforge::merge {
namespace {

/// Deltas of one element, of all inputs; in steps of the working dtype with `compat`.
template <class Round>
struct Deltas {
  const MethodTensor& tensor;
  Round round;

  float operator()(size_t input, size_t i) const {
    return round(tensor.inputs[input].values[i] - tensor.base[i]);
  }
};

/// The variance of an element's deltas (divided by their number), which orders the elements.
template <class Round>
std::vector<float> variances(const Deltas<Round>& delta, size_t num_inputs, size_t size) {
  const auto count = static_cast<double>(num_inputs);
  std::vector<float> result(size);
  for (size_t i = 0; i < size; ++i) {
    double mean = 0, squares = 0;
    for (size_t input = 0; input < num_inputs; ++input) mean += delta(input, i);
    mean /= count;
    for (size_t input = 0; input < num_inputs; ++input) {
      const double apart = delta(input, i) - mean;
      squares += apart * apart;
    }
    result[i] = delta.round(static_cast<float>(squares / count));
  }
  return result;
}

/// 1 for the elements that are merged; empty: all.
template <class Round>
std::vector<uint8_t> selected(const Deltas<Round>& delta, const MethodTensor& tensor) {
  const double part = tensor.parameters.get("select_topk", 1);
  if (part >= 1 || (tensor.inputs.size() < 2 && !tensor.compat)) return {};
  const auto numbers = variances(delta, tensor.inputs.size(), tensor.size);
  const auto varying = std::count_if(numbers.begin(), numbers.end(), [](float v) { return v != 0; });
  const auto count = static_cast<size_t>(std::max(0.0, part) * static_cast<double>(varying));
  std::vector<uint8_t> mask(tensor.size, 0);
  for_largest(numbers.data(), tensor.size, largest(numbers.data(), tensor.size, count),
              [&](size_t i) { mask[i] = 1; });
  return mask;
}

/// mean(d_i^2) of the selected elements, divided by the sum over the inputs; all 0 where nothing differs.
template <class Round>
std::vector<double> energies(const Deltas<Round>& delta, const std::vector<uint8_t>& mask,
                             const MethodTensor& tensor) {
  std::vector<double> weights(tensor.inputs.size(), 0.0);
  double sum = 0;
  for (size_t input = 0; input < weights.size(); ++input) {
    for (size_t i = 0; i < tensor.size; ++i) {
      const float value = mask.empty() || mask[i] ? delta(input, i) : 0.0f;
      weights[input] += delta.round(value * value);
    }
    weights[input] = delta.round(static_cast<float>(weights[input] / static_cast<double>(tensor.size)));
    sum += weights[input];
  }
  const double whole = delta.round(static_cast<float>(sum));
  for (double& weight : weights) weight = sum == 0 ? 0 : delta.round(static_cast<float>(weight / whole));
  return weights;
}

template <class Round>
void merge_selected(const Deltas<Round>& delta, const std::vector<uint8_t>& mask,
                    const std::vector<double>& weights, const MethodTensor& tensor, float* out) {
  for (size_t i = 0; i < tensor.size; ++i) {
    out[i] = tensor.base[i];
    if (!mask.empty() && !mask[i]) continue;
    float direction = 0;
    for (size_t input = 0; input < weights.size(); ++input) direction += delta(input, i);
    const bool positive = delta.round(direction) >= 0;
    double sum = 0, left = 0;
    for (size_t input = 0; input < weights.size(); ++input) {
      const float value = delta(input, i);
      if (positive ? value <= 0 : value >= 0) continue;
      const double term = value * weights[input];
      sum += tensor.compat ? delta.round(static_cast<float>(term)) : term;
      left += weights[input];
    }
    if (sum == 0) continue;
    const double mean = sum / (left < 1e-6 ? 1 : left);
    out[i] = tensor.compat ? delta.round(tensor.base[i] +
                                         delta.round(delta.round(static_cast<float>(sum)) /
                                                     delta.round(static_cast<float>(left < 1e-6 ? 1 : left))))
                           : static_cast<float>(tensor.base[i] + mean);
  }
}

}  // namespace

void merge_sce(const MethodTensor& tensor, float* out) {
  for_rounding(tensor.compat.value_or(DType::F32), [&](auto round) {
    const Deltas<decltype(round)> delta{tensor, round};
    const auto mask = selected(delta, tensor);
    merge_selected(delta, mask, energies(delta, mask, tensor), tensor, out);
  });
}

}  // namespace tongueforge::merge
