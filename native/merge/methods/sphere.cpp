#include "merge/methods/sphere.h"

#include <algorithm>
#include <cmath>

namespace tongueforge::merge {
namespace {

using Floats = std::vector<const float*>;

/// A tensor cut into vectors: element i of the run (outer, inner) belongs to vector `outer` of ROWS, `inner`
/// of COLUMNS, 0 of the WHOLE.
struct Grid {
  size_t outer, inner, num_vectors;
  Vectors cut;

  Grid(const std::vector<int64_t>& shape, size_t size, Vectors asked) : cut(asked) {
    if (shape.size() < 2) cut = Vectors::WHOLE;
    const size_t edge = static_cast<size_t>(cut == Vectors::ROWS      ? shape.back()
                                            : cut == Vectors::COLUMNS ? shape.front()
                                                                      : 1);
    outer = cut == Vectors::WHOLE || size == 0 ? 1 : cut == Vectors::ROWS ? size / edge : edge;
    inner = size / outer;
    num_vectors = cut == Vectors::WHOLE ? 1 : cut == Vectors::ROWS ? outer : inner;
  }
};

/// Products of all pairs of vectors: (pairs, num_vectors of the grid).
using Products = std::vector<std::vector<double>>;

double element(const float* values, const float* base, size_t i) {
  return base ? static_cast<double>(values[i]) - static_cast<double>(base[i])
              : static_cast<double>(values[i]);
}

/// Eight running sums, added up in a fixed order.
double product(const float* a, const float* b, const float* base, size_t begin, size_t end) {
  double lanes[8] = {};
  size_t i = begin;
  for (; i + 8 <= end; i += 8)
    for (size_t j = 0; j < 8; ++j) lanes[j] += element(a, base, i + j) * element(b, base, i + j);
  for (; i < end; ++i) lanes[0] += element(a, base, i) * element(b, base, i);
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

Products products_of(const MethodTensor& tensor, const Floats& vectors, const float* base, const Grid& grid) {
  Products products;
  for (size_t a = 0; a < vectors.size(); ++a) {
    for (size_t b = a; b < vectors.size(); ++b) {
      auto& sums = products.emplace_back(grid.num_vectors, 0.0);
      for (size_t row = 0; row < grid.outer; ++row) {
        tensor.check();
        const size_t begin = row * grid.inner, end = begin + grid.inner;
        if (grid.cut != Vectors::COLUMNS) {
          sums[row] = product(vectors[a], vectors[b], base, begin, end);
          continue;
        }
        for (size_t i = begin; i < end; ++i)
          sums[i - begin] += element(vectors[a], base, i) * element(vectors[b], base, i);
      }
    }
  }
  return products;
}

Angles angles_of(const Products& products, size_t count, size_t vector) {
  Angles angles{std::vector<double>(count), std::vector<double>(count * count, 0.0)};
  for (size_t a = 0, pair = 0; a < count; pair += count - a, ++a)
    angles.lengths[a] = std::sqrt(products[pair][vector]);
  for (size_t a = 0, pair = 0; a < count; ++a) {
    for (size_t b = a; b < count; ++b, ++pair) {
      const double lengths = angles.lengths[a] * angles.lengths[b];
      const double cosine = lengths == 0 ? 0 : std::clamp(products[pair][vector] / lengths, -1.0, 1.0);
      angles.cosines[a * count + b] = angles.cosines[b * count + a] = cosine;
    }
  }
  return angles;
}

/// One stretch, all of whose elements have the same coefficients, or (COLUMNS) each its own.
void write(const Floats& vectors, const float* base, size_t begin, size_t end,
           const std::vector<std::vector<double>>& coefficients, bool own, float* out) {
  for (size_t i = begin; i < end; ++i) {
    const auto& c = coefficients[own ? i - begin : 0];
    double sum = c[0] * element(vectors[0], base, i);
    for (size_t k = 1; k < vectors.size(); ++k) sum += c[k] * element(vectors[k], base, i);
    if (!base) {
      out[i] = static_cast<float>(sum);
    } else {
      out[i] = sum == 0 ? base[i] : static_cast<float>(static_cast<double>(base[i]) + sum);
    }
  }
}

bool is_straight(const Angles& angles, NoLength no_length) {
  return no_length == NoLength::STRAIGHT && std::any_of(angles.lengths.begin(), angles.lengths.end(),
                                                        [](double length) { return !(length > 0); });
}

/// sum over i, j of a_i b_j cos(i, j): the product of two sums of unit vectors.
double product_of_sums(const Angles& angles, const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < b.size(); ++j) sum += a[i] * b[j] * angles.cosine(i, j);
  return sum;
}

double length_of_sum(const Angles& angles, const std::vector<double>& a) {
  return std::sqrt(std::max(0.0, product_of_sums(angles, a, a)));
}

/// theta / sin(theta), which tends to 1 at 0.
double stretch(double cosine) {
  const double sine = std::sqrt(std::max(0.0, 1 - cosine * cosine));
  return sine < 1e-7 ? 1 : std::acos(cosine) / sine;
}

/// v = sum w_i log_m(u_i) as coefficients, where m is given by its own.
std::vector<double> tangent(const Angles& angles, const std::vector<double>& weights,
                            const std::vector<double>& middle) {
  const size_t n = weights.size();
  std::vector<double> result(n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    double cosine = 0;
    for (size_t j = 0; j < n; ++j) cosine += middle[j] * angles.cosine(i, j);
    cosine = std::clamp(cosine, -1.0, 1.0);
    const double factor = weights[i] * stretch(cosine);
    result[i] += factor;
    for (size_t j = 0; j < n; ++j) result[j] -= factor * cosine * middle[j];
  }
  return result;
}

}  // namespace

void blend_vectors(const MethodTensor& tensor, const Floats& vectors, const float* base, Vectors cut,
                   const Blend& blend, float* out) {
  const Grid grid(tensor.shape, tensor.size, cut);
  const Products products = products_of(tensor, vectors, base, grid);
  std::vector<std::vector<double>> coefficients;
  for (size_t vector = 0; vector < grid.num_vectors; ++vector) {
    tensor.check();
    coefficients.push_back(blend(angles_of(products, vectors.size(), vector)));
    if (grid.cut == Vectors::COLUMNS) continue;
    write(vectors, base, vector * grid.inner, (vector + 1) * grid.inner, coefficients, false, out);
    coefficients.clear();
  }
  if (grid.cut != Vectors::COLUMNS) return;
  for (size_t row = 0; row < grid.outer; ++row)
    write(vectors, base, row * grid.inner, (row + 1) * grid.inner, coefficients, true, out);
}

void blend_vectors(const MethodTensor& tensor, Vectors cut, const Blend& blend, float* out) {
  Floats vectors;
  for (const MethodInput& input : tensor.inputs) vectors.push_back(input.values);
  blend_vectors(tensor, vectors, tensor.base, cut, blend, out);
}

NoLength no_length_of(const MethodTensor& tensor) {
  return tensor.compat ? NoLength::RIGHT_ANGLE : NoLength::STRAIGHT;
}

std::vector<double> great_circle(const Angles& angles, double t, double straight, NoLength no_length) {
  const double cosine = angles.cosine(0, 1);
  if (is_straight(angles, no_length) || !(std::fabs(cosine) <= straight)) return {1 - t, t};
  const double theta = std::acos(cosine), sine = std::sin(theta);
  return {std::sin((1 - t) * theta) / sine, std::sin(t * theta) / sine};
}

std::vector<double> barycentre(const Angles& angles, const std::vector<double>& weights, int steps,
                               double tolerance, NoLength no_length) {
  const double start = length_of_sum(angles, weights);
  if (is_straight(angles, no_length) || !(start > 1e-12)) return weights;
  std::vector<double> middle(weights);
  for (double& part : middle) part /= start;
  for (int step = 0; step < steps; ++step) {
    const std::vector<double> v = tangent(angles, weights, middle);
    const double length = length_of_sum(angles, v);
    if (length < tolerance) break;
    const double along = length == 0 ? 1 : std::sin(length) / length;
    for (size_t i = 0; i < middle.size(); ++i) middle[i] = std::cos(length) * middle[i] + along * v[i];
  }
  double length = 0;
  for (size_t i = 0; i < weights.size(); ++i) length += weights[i] * angles.lengths[i];
  for (size_t i = 0; i < middle.size(); ++i)
    middle[i] = angles.lengths[i] > 0 ? middle[i] * (length / angles.lengths[i]) : 0;
  return middle;
}

}  // namespace tongueforge::merge
