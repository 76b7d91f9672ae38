#include "merge/methods/sce.h"

#include <algorithm>
#include <cmath>

#include "merge/methods/rounding.h"
#include "merge/methods/selection.h"
#include "merge/methods/torch_sum.h"

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
  tensor.check();
  const auto numbers = variances(delta, tensor.inputs.size(), tensor.size);
  tensor.check();
  const auto varying = std::count_if(numbers.begin(), numbers.end(), [](float v) { return v != 0; });
  const auto count = static_cast<size_t>(std::max(0.0, part) * static_cast<double>(varying));
  return mask_of_largest(numbers.data(), tensor.size, count);
}

/// mean(d_i^2) of one input, over all elements; those that are not selected count as 0.
template <class Round>
double energy(const Deltas<Round>& delta, const std::vector<uint8_t>& mask, size_t input,
              const MethodTensor& tensor) {
  tensor.check();
  double exact = 0;
  std::vector<float> squares(tensor.compat ? tensor.size : 0, 0.0f);
  for (size_t i = 0; i < tensor.size; ++i) {
    if (!mask.empty() && !mask[i]) continue;
    const float value = delta(input, i);
    if (tensor.compat)
      squares[i] = delta.round(value * value);
    else
      exact += static_cast<double>(value) * static_cast<double>(value);
  }
  if (!tensor.compat) return exact / static_cast<double>(tensor.size);
  const float sum = torch_sum(squares.data(), tensor.size, true);
  return delta.round(sum / static_cast<float>(tensor.size));
}

/// As mergekit has it: a sum of energies below it leaves the models equal weights, and a sum of weights
/// counts as at least so much.
constexpr float kLeastOfMergekit = 1e-6f;

/// The energies divided by their sum; all 0 where nothing differs. Number: double, or float for the steps of
/// `compat`.
template <class Number, class Round, class Step>
std::vector<double> weights_of(const Deltas<Round>& delta, const std::vector<uint8_t>& mask,
                               const MethodTensor& tensor, Step round) {
  std::vector<double> weights;
  Number sum = 0;
  for (size_t input = 0; input < tensor.inputs.size(); ++input)
    sum += static_cast<Number>(weights.emplace_back(energy(delta, mask, input, tensor)));
  sum = round(sum);
  if (tensor.compat && sum < kLeastOfMergekit) {
    weights.assign(weights.size(), round(1 / static_cast<Number>(weights.size())));
  } else {
    for (double& weight : weights) weight = sum == 0 ? 0 : round(static_cast<Number>(weight) / sum);
  }
  return weights;
}

/// sum w_i d_i / sum w_i over the inputs whose sign is that of sum d_i; added up in Number (double, or float
/// for the steps of `compat`), each step through `round`. `least`: the sum of the w_i counts as so much.
template <class Number, class Delta, class Step>
Number fused(const Delta& delta, const std::vector<double>& weights, size_t i, Number least, Step round) {
  Number direction = 0;
  for (size_t input = 0; input < weights.size(); ++input) direction += delta(input, i);
  const bool positive = round(direction) >= 0;
  Number sum = 0, left = 0;
  for (size_t input = 0; input < weights.size(); ++input) {
    const float value = delta(input, i);
    if (positive ? value <= 0 : value >= 0) continue;
    const auto weight = static_cast<Number>(weights[input]);
    sum += round(value * weight);
    left += weight;
  }
  left = std::max(round(left), least);
  return left > 0 ? round(round(sum) / left) : 0;
}

}  // namespace

void merge_sce(const MethodTensor& tensor, float* out) {
  for_rounding(tensor.compat.value_or(DType::F32), [&](auto round) {
    const Deltas<decltype(round)> delta{tensor, round};
    const auto mask = selected(delta, tensor);
    const auto exact = [](double number) { return number; };
    const auto weights = tensor.compat ? weights_of<float>(delta, mask, tensor, round)
                                       : weights_of<double>(delta, mask, tensor, exact);
    for (size_t i = 0; i < tensor.size; ++i) {
      if (i % kCheckEvery == 0) tensor.check();
      double added = 0;
      if (mask.empty() || mask[i])
        added = tensor.compat ? fused<float>(delta, weights, i, round(kLeastOfMergekit), round)
                              : fused<double>(delta, weights, i, 0.0, exact);
      out[i] = added == 0 ? tensor.base[i] : round(static_cast<float>(tensor.base[i] + added));
    }
  });
}

}  // namespace tongueforge::merge
