// What the harness does not ask of the gradient of an embedding on a GPU: many places that share a token.
#include "kernels/embedding.h"

#include "cuda_device.h"
#include "kernels/autograd.h"

using namespace tongueforge;
using namespace tongueforge::test;

TEST_CASE("the gradient of a token that stands in thousands of places is rounded once on cuda") {
  const auto device = cuda_device();
  if (!device) return;
  const auto generator = at::detail::createCPUGenerator(5);
  for (const int64_t places : {31, 32, 33, 2048, 3000, 10007}) {
    CAPTURE(places);
    // One token in nine of ten places, the others once or twice; all gradients are above 0.
    auto ids = at::zeros({places}, at::kLong);
    ids.slice(0, 0, places, 10).copy_(at::randint(1, 50, {(places + 9) / 10}, generator, at::kLong));
    const auto grad = at::rand({places, 72}, generator, at::kFloat).to(at::kBFloat16);
    const auto expected = at::zeros({50, 72}, at::kDouble).index_add_(0, ids, grad.to(at::kDouble));

    const auto weight =
        at::zeros({50, 72}, at::TensorOptions(*device).dtype(at::kBFloat16)).requires_grad_(true);
    const auto y = kernels::embedding(weight, ids.to(*device));
    torch::autograd::backward({y}, {grad.to(*device)});
    const auto received = weight.grad().to(at::kCPU, at::kDouble);
    CHECK(received.sub(expected).abs().sub(expected.mul(0.004)).max().item<double>() <= 1e-6);  // 2^-8
  }
}
