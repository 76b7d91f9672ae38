#include "merge/methods/model_stock.h"

#include "merge/methods/sphere.h"

namespace tongueforge::merge {
namespace {

/// t / N for each delta; 0 where the deltas cancel each other and the formula has no value.
std::vector<double> part_of_mean(const Angles& angles) {
  const size_t count = angles.count();
  const auto n = static_cast<double>(count);
  double cosine = 0;
  for (size_t i = 0; i < count; ++i)
    for (size_t j = i + 1; j < count; ++j) cosine += angles.cosine(i, j);
  cosine /= n * (n - 1) / 2;
  const double denominator = 1 + (n - 1) * cosine;
  return std::vector<double>(count, denominator < 1e-6 ? 0 : cosine / denominator);
}

}  // namespace

void merge_model_stock(const MethodTensor& tensor, float* out) {
  const bool by_row = tensor.parameters.on("filter_wise", false);
  blend_vectors(tensor, by_row ? Vectors::ROWS : Vectors::WHOLE, part_of_mean, out);
}

}  // namespace tongueforge::merge
