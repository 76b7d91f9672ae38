#include "merge/methods/model_stock.h"

#include <algorithm>

#include "merge/methods/sphere.h"

namespace tongueforge::merge {
namespace {

/// The cosine between two deltas. With `compat`, as mergekit has it: divided by no less than 1e-6, so that of
/// small tensors that changed little it is smaller.
double cosine_of(const Angles& angles, size_t i, size_t j, bool compat) {
  constexpr double kLeastOfMergekit = 1e-6;
  const double lengths = angles.lengths[i] * angles.lengths[j];
  return angles.cosine(i, j) * (compat ? std::min(1.0, lengths / kLeastOfMergekit) : 1);
}

/// t / N for each delta; 0 where the deltas cancel each other and the formula has no value.
std::vector<double> part_of_mean(const Angles& angles, bool compat) {
  const size_t count = angles.count();
  const auto n = static_cast<double>(count);
  double cosine = 0;
  for (size_t i = 0; i < count; ++i)
    for (size_t j = i + 1; j < count; ++j) cosine += cosine_of(angles, i, j, compat);
  cosine /= n * (n - 1) / 2;
  const double denominator = 1 + (n - 1) * cosine;
  return std::vector<double>(count, denominator < 1e-6 ? 0 : cosine / denominator);
}

}  // namespace

void merge_model_stock(const MethodTensor& tensor, float* out) {
  const bool by_row = tensor.parameters.on("filter_wise", false);
  blend_vectors(
      tensor, by_row ? Vectors::ROWS : Vectors::WHOLE,
      [&](const Angles& angles) { return part_of_mean(angles, tensor.compat.has_value()); }, out);
}

}  // namespace tongueforge::merge
