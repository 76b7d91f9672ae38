#include "merge/methods/nuslerp.h"

#include <cmath>

#include "merge/methods/sphere.h"

namespace tongueforge::merge {
namespace {

Vectors cut_of(const Parameters& parameters) {
  if (parameters.on("nuslerp_flatten", true)) return Vectors::WHOLE;
  return parameters.on("nuslerp_row_wise", false) ? Vectors::COLUMNS : Vectors::ROWS;
}

}  // namespace

void merge_nuslerp(const MethodTensor& tensor, float* out) {
  constexpr double kStraight = 1 - 1e-9;  // nearer, the sines lose digits and straight is as good
  const double first = tensor.inputs[0].parameters.get("weight", 1);
  const double second = tensor.inputs[1].parameters.get("weight", 1);
  const double t = std::fabs(first + second) < 1e-6 ? 0.5 : second / (first + second);
  blend_vectors(
      tensor, cut_of(tensor.parameters),
      [&](const Angles& angles) { return great_circle(angles, t, kStraight, no_length_of(tensor)); }, out);
}

}  // namespace tongueforge::merge
