// What the harness does not ask of the losses of the head on a GPU: where targets come from, and the scale of
// the backward pass.
#include <cmath>

#include "cuda_device.h"
#include "kernels/autograd.h"
#include "kernels/linear_cross_entropy.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

struct Head {
  at::Tensor hidden, weight, targets;  // the last on the CPU

  explicit Head(at::Device device, at::ScalarType dtype = at::kBFloat16) {
    const auto generator = at::detail::createCPUGenerator(3);
    const auto there = at::TensorOptions(device).dtype(dtype);
    hidden = at::randn({37, 24}, generator, at::kFloat).to(there);
    weight = at::randn({101, 24}, generator, at::kFloat).to(there);
    targets = at::randint(101, {37}, generator, at::kLong);
  }
};

struct Gradients {
  at::Tensor loss, hidden, weight;
};

Gradients gradients(const Head& head, const at::Tensor& targets, double scale) {
  const auto hidden = head.hidden.detach().requires_grad_(true);
  const auto weight = head.weight.detach().requires_grad_(true);
  const auto loss = kernels::linear_cross_entropy(hidden, weight, targets);
  torch::autograd::backward({loss.mul(scale)}, {});
  return {loss.detach(), hidden.grad(), weight.grad()};
}

// The scale has more digits than the gradient's dtype, and all of them count.
void check_scale(at::Device device) {
  constexpr double kScale = 1.0 / 6007;  // a quarter of a percent from a bfloat16
  for (const auto dtype : {at::kBFloat16, at::kHalf, at::kFloat}) {
    if (device.is_cpu() && dtype == at::kHalf) continue;  // a plain composition
    const Head head(device, dtype);
    const auto whole = gradients(head, head.targets, 1), scaled = gradients(head, head.targets, kScale);
    const auto scale = static_cast<float>(kScale);
    CHECK(scaled.hidden.equal(whole.hidden.to(at::kFloat).mul(scale).to(dtype)));
    // Of the weight, one rounding of the float32 sum: half a step from the scaled rounded one, and its own
    // half.
    const double step = dtype == at::kBFloat16 ? 1.0 / 128 : dtype == at::kHalf ? 1.0 / 1024 : 1e-6;
    const auto expected = whole.weight.to(at::kDouble).mul(kScale);
    const auto off = scaled.weight.to(at::kDouble).sub(expected).abs().sub(expected.abs().mul(step));
    CHECK(off.max().item<double>() <= 6e-8);  // the smallest step of float16
  }
}

}  // namespace

TEST_CASE("the gradient of a loss of the head is scaled by all digits of the scale") {
  check_scale(at::kCPU);
}

TEST_CASE("the gradient of a loss of the head on cuda is scaled by all digits of the scale") {
  const auto device = cuda_device();
  if (device) check_scale(*device);
}

TEST_CASE("the loss of the head on cuda takes targets from the CPU or the GPU, and answers wrong ones") {
  const auto device = cuda_device();
  if (!device) return;
  const Head head(*device);
  const auto from_cpu = gradients(head, head.targets, 1),
             from_gpu = gradients(head, head.targets.to(*device), 1);
  CHECK(from_cpu.loss.equal(from_gpu.loss));
  CHECK(from_cpu.weight.equal(from_gpu.weight));
  auto beyond = head.targets.clone();
  beyond[5] = 101;
  CHECK_THROWS(gradients(head, beyond, 1));
  CHECK(std::isnan(gradients(head, beyond.to(*device), 1).loss.item<double>()));
}
