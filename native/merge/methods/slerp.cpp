#include "merge/methods/slerp.h"

#include "merge/methods/sphere.h"

namespace tongueforge::merge {

void merge_slerp(const MethodTensor& tensor, float* out) {
  constexpr double kStraight = 0.9995;
  const double t = tensor.parameters.get("t", 0);
  blend_vectors(
      tensor, {tensor.base, tensor.inputs[0].values}, nullptr, Vectors::WHOLE,
      [&](const Angles& angles) { return great_circle(angles, t, kStraight, no_length_of(tensor)); }, out);
}

}  // namespace tongueforge::merge
