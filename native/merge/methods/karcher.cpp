#include "merge/methods/karcher.h"

#include "merge/methods/sphere.h"

namespace tongueforge::merge {

void merge_karcher(const MethodTensor& tensor, float* out) {
  const size_t count = tensor.inputs.size();
  const std::vector<double> equal(count, 1.0 / static_cast<double>(count));
  const auto steps = static_cast<int>(tensor.parameters.get("max_iter", 10));
  const double tolerance = tensor.parameters.get("tol", 1e-5);
  blend_vectors(
      tensor, Vectors::WHOLE,
      [&](const Angles& angles) { return barycentre(angles, equal, steps, tolerance, no_length_of(tensor)); },
      out);
}

}  // namespace tongueforge::merge
