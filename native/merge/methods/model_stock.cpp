#include "merge/methods/model_stock.h"

#include "merge/methods/sphere.h"

namespace tongueforge::merge {
namespace {

/// t / N for each delta.
std::vector<double> part_of_mean(const Angles& angles) {
  const size_t count = angles.count();
  const auto n = static_cast<double>(count);
  double cosine = 0;
  for (size_t i = 0; i < count; ++i)
    for (size_t j = i + 1; j < count; ++j) cosine += angles.cosine(i, j);
  cosine /= n * (n - 1) / 2;
  return std::vector<double>(count, cosine / (1 + (n - 1) * cosine));
}

}  // namespace

void merge_model_stock(const MethodTensor& tensor, float* out) {
  const bool by_row = tensor.parameters.on("filter_wise", false);
  blend_vectors(tensor, by_row ? Vectors::ROWS : Vectors::WHOLE, part_of_mean, out);
}

}  // namespace tongueforge::merge
