// The CUDA twin of AdamW's update against the CPU's.
#include <cmath>

#include "cuda_device.h"
#include "kernels/adamw.h"
#include "kernels/graph.h"
#include "kernels/stochastic_rounding.h"

using namespace tongueforge;
using namespace tongueforge::test;
using kernels::Rounding;

namespace {

struct Types {
  at::ScalarType master, weight, gradient;
};
const std::vector<Types> kTypes = {
    {at::kFloat, at::kFloat, at::kFloat},       {at::kFloat, at::kBFloat16, at::kFloat},
    {at::kFloat, at::kBFloat16, at::kBFloat16}, {at::kFloat, at::kHalf, at::kHalf},
    {at::kFloat, at::kHalf, at::kFloat},        {at::kBFloat16, at::kBFloat16, at::kBFloat16},
    {at::kBFloat16, at::kBFloat16, at::kFloat}, {at::kHalf, at::kHalf, at::kHalf},
};

// More tensors than one launch takes, of the sizes that matter: none, less and more than a group of eight,
// more than a block.
std::vector<int64_t> sizes() {
  std::vector<int64_t> all = {0, 1, 7, 8, 9, 640, 1001, 16384, 16385, 100003};
  for (int64_t i = 0; i < 120; i++) all.push_back(i + 1);
  return all;
}

struct Training {
  kernels::AdamWState state;
  std::vector<at::Tensor> gradients;

  /// `offset`: every tensor begins so many elements behind an aligned address.
  Training(const Types& types, at::Device device, int64_t offset = 0) {
    uint64_t seed = 1;
    const auto tensor = [&](int64_t n, at::ScalarType type, bool zero) {
      const auto values = at::randn({n}, at::detail::createCPUGenerator(seed++), at::kFloat);
      auto view = at::empty({n + offset}, at::TensorOptions(device).dtype(type)).narrow(0, offset, n);
      return zero ? view.zero_() : view.copy_(values);
    };
    for (const int64_t n : sizes()) {
      state.masters.push_back(tensor(n, types.master, false));
      const bool apart = types.master != types.weight;
      state.weights.push_back(apart ? tensor(n, types.weight, true) : state.masters.back());
      state.first_moments.push_back(tensor(n, at::kFloat, true));
      state.second_moments.push_back(tensor(n, at::kFloat, true));
      gradients.push_back(tensor(n, types.gradient, false));
    }
  }

  void step(int count, const kernels::AdamWCoefficients& coefficients, double scale = 1) {
    const auto device = state.masters[0].device();
    const auto number = [&](double x, at::ScalarType type) {
      return at::scalar_tensor(x, at::TensorOptions(device).dtype(type));
    };
    std::vector<at::Tensor> fresh;  // they may come back scaled
    for (const auto& gradient : gradients)
      fresh.push_back(
          at::empty_strided(gradient.sizes(), gradient.strides(), gradient.options()).copy_(gradient));
    kernels::adamw_(state, fresh,
                    {number(0.01, at::kDouble), number(count, at::kFloat), number(scale, at::kFloat)},
                    coefficients);
  }
};

constexpr kernels::AdamWCoefficients kCoefficients = {0.9, 0.99, 1e-8, 0.1};

constexpr int kUpdates = 3;

// Some float32 roundings an update, of numbers about 1; in each, 16-bit masters may come off by one of their
// steps, where the two float32 numbers lie on two sides of a middle.
void check_near(const std::vector<at::Tensor>& received, const std::vector<at::Tensor>& expected) {
  for (size_t i = 0; i < expected.size(); i++) {
    if (expected[i].numel() == 0) continue;
    const auto type = expected[i].scalar_type();
    const double step = type == at::kBFloat16 ? kUpdates / 128.0
                        : type == at::kHalf   ? kUpdates / 1024.0
                                              : 2e-6;
    const auto wide = expected[i].to(at::kDouble);
    const auto off = received[i].to(at::kCPU, at::kDouble).sub(wide).abs().sub(wide.abs().mul(step));
    CAPTURE(i);
    CHECK(off.max().item<double>() <= 1e-6);
  }
}

bool same_bytes(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (size_t i = 0; i < a.size(); i++)
    if (!a[i].cpu().equal(b[i].cpu())) return false;
  return true;
}

// What the CPU makes of these masters.
at::Tensor rounded_by_odds(const at::Tensor& master, at::ScalarType type, uint64_t seed, size_t tensor,
                           int count) {
  const auto from = master.cpu().contiguous(), to = at::empty(from.sizes(), type);
  const auto* x = from.const_data_ptr<float>();
  auto* y = static_cast<uint16_t*>(to.mutable_data_ptr());
  for (int64_t i = 0; i < from.numel(); i++) {
    const auto bits = kernels::rounding_bits(seed, static_cast<uint32_t>(tensor),
                                             static_cast<uint32_t>(count), static_cast<uint64_t>(i / 8));
    const uint32_t random = bits.half(static_cast<int>(i % 8));
    y[i] = type == at::kBFloat16 ? kernels::stochastic_bfloat16(x[i], random)
                                 : kernels::stochastic_float16(x[i], random);
  }
  return to;
}

}  // namespace

TEST_CASE(
    "AdamW on cuda updates masters, moments and weights as the CPU does, in all dtypes and alignments") {
  const auto device = cuda_device();
  if (!device) return;
  for (const auto& types : kTypes)
    for (const int64_t offset : {0, 1}) {
      CAPTURE(std::string(at::toString(types.weight)));
      CAPTURE(std::string(at::toString(types.gradient)));
      CAPTURE(offset);
      Training here(types, at::kCPU), there(types, *device, offset), again(types, *device, offset);
      for (int count = 1; count <= kUpdates; count++)
        for (auto* training : {&here, &there, &again}) training->step(count, kCoefficients, 0.5);
      check_near(there.state.masters, here.state.masters);
      check_near(there.state.first_moments, here.state.first_moments);
      check_near(there.state.second_moments, here.state.second_moments);
      for (size_t i = 0; i < there.state.weights.size(); i++)
        CHECK(there.state.weights[i].equal(there.state.masters[i].to(types.weight)));
      CHECK(same_bytes(there.state.masters, again.state.masters));
      CHECK(same_bytes(there.state.weights, again.state.weights));
    }
}

TEST_CASE("AdamW on cuda rounds by the odds to the bytes that the CPU gives the same masters") {
  const auto device = cuda_device();
  if (!device) return;
  auto coefficients = kCoefficients;
  coefficients.rounding = Rounding::stochastic;
  coefficients.seed = 42;
  for (const auto type : {at::kBFloat16, at::kHalf})
    for (const int64_t offset : {0, 1}) {
      Training there({at::kFloat, type, type}, *device, offset);
      for (int count = 1; count <= 2; count++) {
        there.step(count, coefficients);
        for (size_t i = 0; i < there.state.weights.size(); i++)
          CHECK(there.state.weights[i].cpu().equal(
              rounded_by_odds(there.state.masters[i], type, 42, i, count)));
      }
    }
}

TEST_CASE("AdamW on cuda takes no update whose scale is no number") {
  const auto device = cuda_device();
  if (!device) return;
  const Types types = {at::kFloat, at::kBFloat16, at::kFloat};
  Training there(types, *device);
  const Training before(types, *device);
  there.step(1, kCoefficients, NAN);
  CHECK(same_bytes(there.state.masters, before.state.masters));
  CHECK(same_bytes(there.state.weights, before.state.weights));
  CHECK(same_bytes(there.state.second_moments, before.state.second_moments));
}

TEST_CASE("AdamW on cuda reads the numbers of an update anew at each replay of a graph") {
  const auto device = cuda_device();
  if (!device) return;
  const Types types = {at::kFloat, at::kBFloat16, at::kBFloat16};
  Training eager(types, *device), recorded(types, *device);
  const auto number = [&](at::ScalarType type) {
    return at::ones({}, at::TensorOptions(*device).dtype(type));
  };
  const kernels::AdamWUpdate update = {number(at::kDouble), number(at::kFloat), number(at::kFloat)};
  auto coefficients = kCoefficients;
  coefficients.rounding = Rounding::stochastic;
  kernels::Graph graph(*device);
  graph.capture([&] { kernels::adamw_(recorded.state, recorded.gradients, update, coefficients); });
  for (int count = 1; count <= 3; count++) {
    update.lr.fill_(0.01 * count);
    update.count.fill_(count);
    update.scale.fill_(0.5 / count);
    graph.replay();
    kernels::adamw_(eager.state, eager.gradients, update, coefficients);
  }
  CHECK(same_bytes(recorded.state.masters, eager.state.masters));
  CHECK(same_bytes(recorded.state.weights, eager.state.weights));
}
