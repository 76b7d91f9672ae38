// AdamW's update and stochastic rounding, on the CPU. The twin: adamw_cuda_test.cpp.
#include "kernels/adamw.h"

#include <cmath>

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/stochastic_rounding.h"

using namespace tongueforge;
using kernels::Rounding;

namespace {

at::Tensor normal(at::IntArrayRef sizes, uint64_t seed) {
  return at::randn(sizes, at::detail::createCPUGenerator(seed), at::kFloat);
}

kernels::AdamWUpdate update(double lr, int count) {
  return {at::scalar_tensor(lr, at::kDouble), at::scalar_tensor(count, at::kFloat)};
}

constexpr kernels::AdamWCoefficients kCoefficients = {0.9, 0.99, 1e-8, 0.1};

struct Case {
  kernels::AdamWState state;
  std::vector<at::Tensor> gradients;

  explicit Case(at::ScalarType weights, uint64_t seed = 1) {
    for (const int64_t n : {1, 7, 640, 1001}) {
      state.masters.push_back(normal({n}, seed++));
      state.weights.push_back(state.masters.back().to(weights));
      state.first_moments.push_back(at::zeros({n}));
      state.second_moments.push_back(at::zeros({n}));
      gradients.push_back(normal({n}, seed++));
    }
  }
};

bool equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (size_t i = 0; i < a.size(); i++)
    if (!a[i].equal(b[i])) return false;
  return a.size() == b.size();
}

float value_of(uint16_t bits, at::ScalarType type) {
  const auto tensor = at::empty({1}, type);
  *static_cast<uint16_t*>(tensor.mutable_data_ptr()) = bits;
  return tensor.item<float>();
}

uint16_t rounded(float x, uint32_t random, at::ScalarType type) {
  return type == at::kBFloat16 ? kernels::stochastic_bfloat16(x, random)
                               : kernels::stochastic_float16(x, random);
}

}  // namespace

TEST_CASE("weights written with the update are the masters rounded afterwards") {
  for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    Case with(type), without(type);
    const auto weights = std::exchange(without.state.weights, {});
    for (int count = 1; count < 4; count++) {
      kernels::adamw_(with.state, with.gradients, update(0.01, count), kCoefficients);
      kernels::adamw_(without.state, without.gradients, update(0.01, count), kCoefficients);
    }
    CHECK(equal(with.state.masters, without.state.masters));
    for (size_t i = 0; i < weights.size(); i++)
      CHECK(with.state.weights[i].equal(without.state.masters[i].to(type)));
  }
}

TEST_CASE("a scale multiplies the gradients, and one that is no number refuses the update") {
  Case plain(at::kBFloat16), scaled(at::kBFloat16), refused(at::kBFloat16);
  for (auto& gradient : plain.gradients) gradient.mul_(0.25);
  kernels::adamw_(plain.state, plain.gradients, update(0.01, 1), kCoefficients);

  auto numbers = update(0.01, 1);
  numbers.scale = at::scalar_tensor(0.25, at::kFloat);
  kernels::adamw_(scaled.state, scaled.gradients, numbers, kCoefficients);
  CHECK(equal(plain.state.masters, scaled.state.masters));
  CHECK(equal(plain.state.second_moments, scaled.state.second_moments));

  numbers.scale = at::scalar_tensor(NAN, at::kFloat);
  const Case before(at::kBFloat16);
  kernels::adamw_(refused.state, refused.gradients, numbers, kCoefficients);
  CHECK(equal(refused.state.masters, before.state.masters));
  CHECK(equal(refused.state.weights, before.state.weights));
  CHECK(equal(refused.state.first_moments, before.state.first_moments));
}

TEST_CASE("the bits of stochastic rounding are Philox4x32-10's") {
  // Known answers of Random123, kat_vectors.
  const auto check = [](uint64_t seed, kernels::RandomBits counter, std::array<uint32_t, 4> expected) {
    const auto bits = kernels::philox(seed, counter);
    for (size_t i = 0; i < 4; i++) CHECK(bits.words[i] == expected[i]);
  };
  check(0, {{0, 0, 0, 0}}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  check(~uint64_t{0}, {{~0u, ~0u, ~0u, ~0u}}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  check(0x299f31d0a4093822u, {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
        {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("stochastic rounding gives the two neighbours, as often as keeps the mean") {
  const std::vector<float> values = {1.0f,    1.001f, -3.14159f, 0.1f,   65000.0f, 6.2e-5f,
                                     5.9e-5f, -2e-6f, 3e-8f,     -1e-9f, 0.0f,     -0.0f};
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    for (const float x : values) {
      CAPTURE(x);
      double sum = 0, low = INFINITY, high = -INFINITY;
      for (uint32_t random = 0; random < 65536; random++) {  // all there are
        const double y = value_of(rounded(x, random, type), type);
        sum += y, low = std::min(low, y), high = std::max(high, y);
      }
      CHECK(low <= x);
      CHECK(high >= x);
      // Neighbours: what lies between them rounds to one of them.
      const double between = at::scalar_tensor((low + high) / 2, at::kDouble).to(type).item<double>();
      CHECK((between == low || between == high));
      CHECK(std::abs(sum / 65536 - x) <= (high - low) / 4096);  // of 13 bits, or of 16
      if (x == at::scalar_tensor(x, at::kFloat).to(type).item<float>()) CHECK(low == high);
      CHECK(std::signbit(value_of(rounded(x, 0, type), type)) == std::signbit(x));
    }
    for (const float x : {INFINITY, -INFINITY}) CHECK(value_of(rounded(x, 0xffff, type), type) == x);
    const float all_low = std::nanf("1");
    CHECK(std::isnan(value_of(rounded(all_low, 0xffff, type), type)));
  }
}

TEST_CASE("weights of 16 bits without a master learn from small updates if the odds round them") {
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    const auto trained = [&](Rounding rounding, uint64_t seed) {
      auto coefficients = kCoefficients;
      coefficients.weight_decay = 0;
      coefficients.rounding = rounding;
      coefficients.seed = seed;
      const auto weight = at::ones({4096}, type);
      kernels::AdamWState state = {{weight}, {}, {at::zeros({4096})}, {at::zeros({4096})}};
      for (int count = 1; count <= 20; count++)
        kernels::adamw_(state, {at::ones({4096})}, update(1e-4, count), coefficients);
      return weight;
    };
    CHECK(trained(Rounding::nearest, 1).equal(at::ones({4096}, type)));  // 1 - 1e-4 is 1
    const auto weight = trained(Rounding::stochastic, 1);
    // Twenty updates of 1e-4; the mean of 4096 weights is off by a step of 2^-8 / 64 at most.
    CHECK(weight.to(at::kDouble).mean().item<double>() == doctest::Approx(1 - 20e-4).epsilon(2e-4));
    CHECK(weight.equal(trained(Rounding::stochastic, 1)));
    CHECK_FALSE(weight.equal(trained(Rounding::stochastic, 2)));
  }
}
