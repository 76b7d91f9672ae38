#include "merge/methods/ram.h"

#include <algorithm>
#include <cmath>

#include "merge/methods/rounding.h"

namespace tongueforge::merge {
namespace {

bool changed(const MethodTensor& tensor, size_t input, size_t i, double epsilon) {
  return std::fabs(static_cast<double>(tensor.inputs[input].values[i]) - tensor.base[i]) > epsilon;
}

/// How many inputs changed the element.
size_t changes_of(const MethodTensor& tensor, size_t i, double epsilon) {
  size_t count = 0;
  for (size_t input = 0; input < tensor.inputs.size(); ++input) count += changed(tensor, input, i, epsilon);
  return count;
}

/// factors: of an input's unique entries. In double and rounded once, or with `compat` each step through
/// `round`.
template <class Number, class Round>
void merge_changes(const MethodTensor& tensor, double epsilon, const std::vector<double>& factors,
                   Round round, float* out) {
  for (size_t i = 0; i < tensor.size; ++i) {
    if (i % kCheckEvery == 0) tensor.check();
    const Number base = tensor.base[i];
    Number sum = 0, factor = 1;
    size_t count = 0;
    for (size_t input = 0; input < tensor.inputs.size(); ++input) {
      if (!changed(tensor, input, i, epsilon)) continue;
      sum += round(tensor.inputs[input].values[i] - base);
      factor = static_cast<Number>(factors[input]);
      ++count;
    }
    const Number added = count > 1 ? round(round(sum) / static_cast<Number>(count)) : round(factor * sum);
    out[i] = count == 0 ? tensor.base[i] : static_cast<float>(round(base + added));
  }
}

void merge_changes(const MethodTensor& tensor, double epsilon, const std::vector<double>& factors,
                   float* out) {
  if (!tensor.compat)
    return merge_changes<double>(tensor, epsilon, factors, [](double number) { return number; }, out);
  for_rounding(*tensor.compat,
               [&](auto round) { merge_changes<float>(tensor, epsilon, factors, round, out); });
}

}  // namespace

void merge_ram(const MethodTensor& tensor, float* out) {
  merge_changes(tensor, tensor.parameters.get("epsilon", 1e-5),
                std::vector<double>(tensor.inputs.size(), 1.0), out);
}

void merge_ramplus_tl(const MethodTensor& tensor, float* out) {
  const double epsilon = tensor.parameters.get("epsilon", 1e-5);
  const double r = tensor.parameters.get("r", 0.1), alpha = tensor.parameters.get("alpha", 0.2);
  const size_t num_inputs = tensor.inputs.size();
  std::vector<double> shared(num_inputs, 0), unique(num_inputs, 0), factors(num_inputs);
  for (size_t i = 0; i < tensor.size; ++i) {
    if (i % kCheckEvery == 0) tensor.check();
    const size_t count = changes_of(tensor, i, epsilon);
    for (size_t input = 0; input < num_inputs; ++input)
      if (changed(tensor, input, i, epsilon)) (count > 1 ? shared : unique)[input] += 1;
  }
  for (size_t input = 0; input < num_inputs; ++input) {
    const double overlap = unique[input] > 0 ? shared[input] / unique[input] : 0;
    factors[input] = 1 + r * std::clamp(overlap, 0.0, std::max(0.0, alpha));
  }
  merge_changes(tensor, epsilon, factors, out);
}

}  // namespace tongueforge::merge
