// What the methods on the sphere share: they need no more of their vectors than lengths and angles, and give
// back one coefficient for each, so that a tensor is read twice however long it is.
#pragma once
#include <cstddef>
#include <functional>
#include <vector>

#include "merge/methods/method.h"

namespace tongueforge::merge {

/// Lengths of n vectors and the cosines between them; cosines with a vector of length 0 are 0.
struct Angles {
  std::vector<double> lengths;  // (n)
  std::vector<double> cosines;  // (n, n)

  size_t count() const { return lengths.size(); }
  double cosine(size_t i, size_t j) const { return cosines[i * count() + j]; }
};

/// How a tensor is cut into vectors: WHOLE is one, ROWS are those along the last dimension, COLUMNS those
/// along the first. A tensor of one dimension is one vector.
enum class Vectors : uint8_t { WHOLE, ROWS, COLUMNS };

/// What a vector of length 0, which has no direction, makes of its tensor: it is merged STRAIGHT, or the
/// vector stands at a RIGHT_ANGLE to all others, as in mergekit.
enum class NoLength : uint8_t { STRAIGHT, RIGHT_ANGLE };

NoLength no_length_of(const MethodTensor& tensor);

/// Coefficients of the inputs, from their angles.
using Blend = std::function<std::vector<double>(const Angles&)>;

/// out = sum c_i x_i, or with a base b + sum c_i (x_i - b); c = blend(angles of the x_i or x_i - b), for each
/// of the vectors that the tensor is cut into. In double, rounded once; where the sum is 0 the base stays bit
/// for bit.
void blend_vectors(const MethodTensor& tensor, Vectors cut, const Blend& blend, float* out);

/// The same for vectors of the caller's choice: of slerp, one is the base.
void blend_vectors(const MethodTensor& tensor, const std::vector<const float*>& vectors, const float* base,
                   Vectors cut, const Blend& blend, float* out);

/// Coefficients of two vectors at the part t of the way from the first to the second on a great circle:
/// sin((1-t) theta) / sin(theta) and sin(t theta) / sin(theta). Straight, 1-t and t, where |cos theta| is
/// above `straight`.
std::vector<double> great_circle(const Angles& angles, double t, double straight, NoLength no_length);

/// Coefficients by which a weighted barycentre on the sphere is made of its vectors.
///
/// With unit vectors u_i = x_i / |x_i|: from m = the unit vector of sum w_i u_i, `steps` times
/// v = sum w_i log_m(u_i), m = exp_m(v), until |v| < tolerance; the barycentre is m times sum w_i |x_i|.
/// Straight, w_i, where the start is 0 (the vectors cancel each other).
std::vector<double> barycentre(const Angles& angles, const std::vector<double>& weights, int steps,
                               double tolerance, NoLength no_length);

}  // namespace tongueforge::merge
