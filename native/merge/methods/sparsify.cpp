#include "merge/methods/sparsify.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "merge/methods/rounding.h"
#include "merge/methods/selection.h"
#include "merge/methods/torch_sum.h"

namespace tongueforge::merge {
namespace {

float delta(const MethodTensor& tensor, size_t input, size_t i) {
  return tensor.inputs[input].values[i] - tensor.base[i];
}

/// |x - base| of all elements, in float32 or rounded to the working dtype.
std::vector<float> magnitudes_of(const MethodTensor& tensor, size_t input) {
  tensor.check();
  std::vector<float> magnitudes(tensor.size);
  for_rounding(tensor.compat.value_or(DType::F32), [&](auto round) {
    for (size_t i = 0; i < tensor.size; ++i) magnitudes[i] = std::fabs(round(delta(tensor, input, i)));
  });
  return magnitudes;
}

/// In which mergekit draws and rescales: float16 is too narrow for it.
DType drawing_dtype(const MethodTensor& tensor) {
  return tensor.compat == DType::BF16 ? DType::BF16 : DType::F32;
}

size_t part_of(double density, size_t size) {
  return static_cast<size_t>(std::max(0.0, density) * static_cast<double>(size));
}

Mask by_magnitude(const MethodTensor& tensor, size_t input, double density) {
  size_t count = part_of(density, tensor.size);
  if (count == 0 && tensor.compat)
    throw Error("ERR_CONFIG",
                str("Expected a density that keeps an entry of ", tensor.name, ", which has ", tensor.size,
                    ", received ", density),
                "a larger density, or `compat` left out: then the largest entry stays");
  if (count == 0 && density > 0) count = 1;
  const auto magnitudes = magnitudes_of(tensor, input);
  tensor.check();
  return {mask_of_largest(magnitudes.data(), tensor.size, count)};
}

/// Ranked by magnitude, what lies between the smallest and the `gamma` largest.
Mask without_outliers(const MethodTensor& tensor, size_t input, double density) {
  const size_t size = tensor.size, kept = part_of(density, size);
  const size_t asked = part_of(tensor.inputs[input].parameters.get("gamma", 0.01), size);
  const size_t top = std::min(asked, size - kept);  // density + gamma above 1: fewer outliers
  if (tensor.compat && asked == 0) return {std::vector<uint8_t>(size, 0)};
  const auto magnitudes = magnitudes_of(tensor, input);
  tensor.check();
  auto keep = mask_of_largest(magnitudes.data(), size, kept + top);
  tensor.check();
  const auto outliers = mask_of_largest(magnitudes.data(), size, top);
  for (size_t i = 0; i < size; ++i) keep[i] ^= outliers[i];
  return {std::move(keep)};
}

/// Eight running sums, added up in a fixed order.
double sum_of(const std::vector<float>& values) {
  double lanes[8] = {};
  size_t i = 0;
  for (; i + 8 <= values.size(); i += 8)
    for (size_t j = 0; j < 8; ++j) lanes[j] += values[i + j];
  for (; i < values.size(); ++i) lanes[0] += values[i];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/// The quotient of the sums of magnitudes before and after, so that the mask changes no L1 norm. Takes the
/// magnitudes as scratch.
double scale_of(const MethodTensor& tensor, std::vector<float> magnitudes, const std::vector<uint8_t>& keep) {
  constexpr double kNothing = 1e-7;
  const auto drop = [&] {
    tensor.check();
    for (size_t i = 0; i < tensor.size; ++i) magnitudes[i] *= static_cast<float>(keep[i]);
  };
  double before = 0, after = 0, scale = 1;
  if (!tensor.compat) {
    before = sum_of(magnitudes);
    drop();
    after = sum_of(magnitudes);
    return before < kNothing || after < kNothing ? 1 : before / after;
  }
  for_rounding(drawing_dtype(tensor), [&](auto round) {
    const bool wide = drawing_dtype(tensor) == DType::F32;
    before = round(torch_sum(magnitudes.data(), tensor.size, wide));
    drop();
    after = round(torch_sum(magnitudes.data(), tensor.size, wide));
    if (before >= kNothing && after >= kNothing) scale = round(static_cast<float>(before / after));
  });
  return scale;
}

Mask drawn(const MethodTensor& tensor, size_t input, const std::vector<float>& probabilities,
           const std::vector<float>& draws) {
  tensor.check();
  Mask mask{std::vector<uint8_t>(tensor.size)};
  const size_t period = probabilities.size();  // 1, or one for each element
  for (size_t i = 0; i < tensor.size; ++i)
    mask.keep[i] = draws[i] < probabilities[period == 1 ? 0 : i] ? 1 : 0;
  if (tensor.parameters.on("rescale", true))
    mask.scale = scale_of(tensor, magnitudes_of(tensor, input), mask.keep);
  return mask;
}

std::vector<float> draws_of(const MethodTensor& tensor, size_t input) {
  tensor.check();
  std::vector<float> draws(tensor.size);
  tensor.draws->fill(input, draws.data(), draws.size());
  return draws;
}

Mask at_random(const MethodTensor& tensor, size_t input, double density) {
  return drawn(tensor, input, {rounded_to(drawing_dtype(tensor), density)}, draws_of(tensor, input));
}

/// A number's bits in the upper half, its place in the row in the lower.
using Keys = std::vector<uint64_t>;

/// Ranks of the numbers of a row, from 0 at the smallest; equal ones by their place. Sorts the numbers' bits,
/// eight at a time from the lowest, each time keeping the order of before.
void rank_row(const float* numbers, size_t size, Keys& keys, Keys& sorted, float* ranks) {
  keys.resize(size);
  sorted.resize(size);
  for (size_t i = 0; i < size; ++i) keys[i] = uint64_t{std::bit_cast<uint32_t>(numbers[i])} << 32 | i;
  for (int shift = 32; shift < 64; shift += 8) {
    std::array<size_t, 257> begins{};
    for (const uint64_t key : keys) ++begins[(key >> shift & 0xff) + 1];
    for (size_t digit = 1; digit < begins.size(); ++digit) begins[digit] += begins[digit - 1];
    for (const uint64_t key : keys) sorted[begins[key >> shift & 0xff]++] = key;
    keys.swap(sorted);
  }
  for (size_t rank = 0; rank < size; ++rank) ranks[keys[rank] & 0xffffffffu] = static_cast<float>(rank);
}

Mask by_rank(const MethodTensor& tensor, size_t input, double density) {
  const double epsilon = tensor.inputs[input].parameters.get("epsilon", 0.15);
  const auto row = tensor.shape.size() < 2 ? tensor.size : static_cast<size_t>(tensor.shape.back());
  const auto magnitudes = magnitudes_of(tensor, input);
  const auto lowest = static_cast<float>(density - epsilon), span = static_cast<float>(2 * epsilon);
  std::vector<float> probabilities(tensor.size);
  Keys keys, sorted;
  for (size_t at = 0; at < tensor.size; at += row) {
    tensor.check();
    rank_row(magnitudes.data() + at, row, keys, sorted, probabilities.data() + at);
  }
  tensor.check();
  for_rounding(drawing_dtype(tensor), [&](auto round) {
    for (float& value : probabilities) {
      const float place = row > 1 ? round(round(value) / static_cast<float>(row - 1)) : 0.5f;
      // torch rounds a number that it adds, not one that it multiplies by
      value = round(round(lowest) + round(place * span));
    }
  });
  return drawn(tensor, input, probabilities, draws_of(tensor, input));
}

}  // namespace

Mask sparsify(Sparsifier sparsifier, const MethodTensor& tensor, size_t input) {
  const double density = tensor.inputs[input].parameters.get("density", 1);
  if (density >= 1) return {};
  switch (sparsifier) {
    case Sparsifier::NONE:
      return {};
    case Sparsifier::MAGNITUDE:
      return by_magnitude(tensor, input, density);
    case Sparsifier::RANDOM:
      return at_random(tensor, input, density);
    case Sparsifier::OUTLIERS:
      return without_outliers(tensor, input, density);
    case Sparsifier::RANKED:
      return by_rank(tensor, input, density);
  }
  return {};
}

}  // namespace tongueforge::merge
