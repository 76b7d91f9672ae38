#include "merge/methods/multislerp.h"

#include <cmath>

#include "merge/methods/sphere.h"

namespace tongueforge::merge {

void merge_multislerp(const MethodTensor& tensor, float* out) {
  std::vector<double> weights;
  double sum = 0;
  for (const MethodInput& input : tensor.inputs)
    sum += weights.emplace_back(input.parameters.get("weight", 1));
  if (tensor.parameters.on("normalize_weights", true) && sum != 0)
    for (double& weight : weights) weight /= sum;
  blend_vectors(
      tensor, Vectors::WHOLE,
      [&](const Angles& angles) { return barycentre(angles, weights, 0, 0, no_length_of(tensor)); }, out);
}

}  // namespace tongueforge::merge
