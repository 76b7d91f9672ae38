#include "merge/methods/nearswap.h"

#include <algorithm>
#include <cmath>

#include "merge/methods/rounding.h"

namespace tongueforge::merge {
namespace {

constexpr double kNearest = 1e-6;

void swap_in_double(const float* base, const float* other, double t, size_t size, float* out) {
  for (size_t i = 0; i < size; ++i) {
    const double b = base[i], x = other[i];
    const double part = std::clamp(t / std::max(std::fabs(b - x), kNearest), 0.0, 1.0);
    const double moved = part == 1 ? x : b + part * (x - b);
    out[i] = b == x || part == 0 ? base[i] : static_cast<float>(moved);
  }
}

template <class Round>
void swap_in_steps(const float* base, const float* other, double t, size_t size, float* out, Round round) {
  const float near = round(static_cast<float>(kNearest)), step = static_cast<float>(t);
  for (size_t i = 0; i < size; ++i) {
    const float distance = std::max(std::fabs(round(base[i] - other[i])), near);
    const float part = std::clamp(round(round(1 / distance) * step), 0.0f, 1.0f);  // torch's number / tensor
    out[i] = round(round(part * other[i]) + round(round(1 - part) * base[i]));
  }
}

}  // namespace

void merge_nearswap(const MethodTensor& tensor, float* out) {
  const double t = tensor.parameters.get("t", 0);
  const float* other = tensor.inputs[0].values;
  if (!tensor.compat) return swap_in_double(tensor.base, other, t, tensor.size, out);
  for_rounding(*tensor.compat,
               [&](auto round) { swap_in_steps(tensor.base, other, t, tensor.size, out, round); });
}

}  // namespace tongueforge::merge
