#include "merge/methods/linear.h"

#include <algorithm>
#include <cmath>

#include "merge/methods/rounding.h"

namespace tongueforge::merge {
namespace {

constexpr size_t kBlock = 512;

double divisor_of(double sum) { return std::fabs(sum) < 1e-8 ? 1 : sum; }

void mean_in_double(const MethodTensor& tensor, bool normalize, float* out) {
  double divisor = 0, sums[kBlock];
  for (const MethodInput& input : tensor.inputs) divisor += input.parameters.get("weight", 1);
  divisor = normalize ? divisor_of(divisor) : 1;
  for (size_t at = 0; at < tensor.size; at += kBlock) {
    const size_t count = std::min(kBlock, tensor.size - at);
    std::fill_n(sums, count, -0.0);  // the zero that leaves the sign of zeros alone
    for (const MethodInput& input : tensor.inputs) {
      const double weight = input.parameters.get("weight", 1);
      for (size_t i = 0; i < count; ++i) sums[i] += weight * static_cast<double>(input.values[at + i]);
    }
    for (size_t i = 0; i < count; ++i) out[at + i] = static_cast<float>(sums[i] / divisor);
  }
}

/// s = r(sum r(x r(w)) in float32); r(s / r(sum r(w))).
template <class Round>
void mean_in_steps(const MethodTensor& tensor, bool normalize, float* out, Round round) {
  std::vector<float> weights;
  float divisor = 0;
  for (const MethodInput& input : tensor.inputs)
    divisor += weights.emplace_back(round(static_cast<float>(input.parameters.get("weight", 1))));
  divisor = static_cast<float>(divisor_of(round(divisor)));
  for (size_t i = 0; i < tensor.size; ++i) {
    float sum = 0;
    for (size_t input = 0; input < weights.size(); ++input)
      sum += round(tensor.inputs[input].values[i] * weights[input]);
    out[i] = normalize ? round(round(sum) / divisor) : round(sum);
  }
}

}  // namespace

void merge_linear(const MethodTensor& tensor, float* out) {
  const bool normalize = tensor.parameters.on("normalize", true);
  if (!tensor.compat) return mean_in_double(tensor, normalize, out);
  for_rounding(*tensor.compat, [&](auto round) { mean_in_steps(tensor, normalize, out, round); });
}

}  // namespace tongueforge::merge
