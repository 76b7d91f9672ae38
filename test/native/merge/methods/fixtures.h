// Models of one tensor for the tests of merge methods.
#pragma once
#include <bit>
#include <cmath>
#include <memory>

#include "../../checkpoint/fixtures.h"
#include "merge/methods/method.h"

namespace tongueforge::testing {

using merge::Method;
using merge::MethodTensor;
using merge::Parameters;

/// Owns the arrays that a MethodTensor points to.
struct Models {
  std::vector<int64_t> shape;
  std::vector<float> base;
  std::vector<std::vector<float>> inputs;
  std::vector<Parameters> of_inputs;  // one each, or none at all
  Parameters of_tensor = {};
  std::optional<DType> compat = {};
  std::string name = "layer.weight";

  size_t size() const { return base.size(); }

  /// Elements [begin, end), for methods that may be called on stretches.
  MethodTensor tensor(const Method& method, size_t begin, size_t end) const {
    MethodTensor tensor{name, shape, end - begin, nullptr, {}, of_tensor, compat, nullptr};
    if (method.base != merge::BaseRule::NONE) tensor.base = base.data() + begin;
    for (size_t i = 0; i < inputs.size(); ++i)
      tensor.inputs.push_back({inputs[i].data() + begin, of_inputs.empty() ? Parameters{} : of_inputs[i]});
    return tensor;
  }
};

inline std::vector<float> merged(
    const Method& method, const Models& models, uint64_t seed = 1,
    const std::function<void()>& check = [] {}) {
  MethodTensor tensor = models.tensor(method, 0, models.size());
  tensor.check = check;
  merge::CounterDraws counter(seed, models.name);
  merge::TorchDraws torch = merge::TorchSequence(seed).at(0);
  tensor.draws = models.compat ? static_cast<merge::Draws*>(&torch) : &counter;
  std::vector<float> out(models.size(), -77.0f);
  method.merge(tensor, out.data());
  return out;
}

inline std::vector<float> merged(const std::string& method, const Models& models, uint64_t seed = 1) {
  return merged(merge::method_named(method), models, seed);
}

inline float normal(Seeded& random) { return std::normal_distribution<float>()(random.engine); }

/// A base of about 0.3 with some zeros of either sign, and inputs that differ from it by about 0.1, not
/// everywhere.
inline Models random_models(Seeded& random, std::vector<int64_t> shape, size_t num_inputs) {
  Models models{std::move(shape), {}, {}, {}};
  size_t size = 1;
  for (const int64_t edge : models.shape) size *= static_cast<size_t>(edge);
  for (size_t i = 0; i < size; ++i) {
    const uint64_t kind = random.below(20);
    models.base.push_back(kind == 0 ? 0.0f : kind == 1 ? -0.0f : 0.3f * normal(random));
  }
  for (size_t input = 0; input < num_inputs; ++input) {
    auto& values = models.inputs.emplace_back(models.base);
    for (float& value : values)
      if (random.below(5)) value += 0.1f * normal(random);
  }
  return models;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](float x, float y) {
           return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
         });
}

/// The largest |a - b|, in units of 2^-23 of the larger of |a|, |b| and `least`.
inline double units_apart(const std::vector<float>& a, const std::vector<float>& b, double least = 0.01) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double size = std::max({std::fabs(double{a[i]}), std::fabs(double{b[i]}), least});
    worst = std::max(worst, std::fabs(double{a[i]} - double{b[i]}) / size * 0x1p23);
  }
  return worst;
}

}  // namespace tongueforge::testing
