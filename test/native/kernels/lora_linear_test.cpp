// The hand-written node against the same of plain operators, forward and backward.
#include "kernels/lora_linear.h"

#include "kernels/autograd.h"
#include "kernels/linear.h"

using namespace tongueforge;

namespace {

struct Inputs {
  at::Tensor x, weight, bias, a, b;
};

Inputs random_inputs(uint64_t seed, bool with_bias, at::ScalarType dtype = at::kFloat) {
  auto random = at::detail::createCPUGenerator(seed);
  const auto draw = [&](std::vector<int64_t> shape) { return at::empty(shape).normal_(0, 1, random); };
  Inputs in;
  in.x = draw({2, 7, 12}).to(dtype);
  in.weight = draw({9, 12}).to(dtype);
  if (with_bias) in.bias = draw({9}).to(dtype);
  in.a = draw({3, 12});
  in.b = draw({9, 3});
  return in;
}

using Op = at::Tensor (*)(const at::Tensor&, const at::Tensor&, const at::Tensor&, const kernels::LowRank&,
                          const kernels::DropoutKey&);

// The result, then the gradients of x, a, b of a weighted sum of it.
std::vector<at::Tensor> results(Op op, const Inputs& in, const kernels::DropoutKey& dropout) {
  const auto leaf = [](const at::Tensor& t) { return t.detach().clone().set_requires_grad(true); };
  const auto x = leaf(in.x), a = leaf(in.a), b = leaf(in.b);
  const auto y = op(x, in.weight, in.bias, {a, b, 0.7}, dropout);
  const auto weights = at::arange(y.numel()).view_as(y).to(at::kFloat).sin();
  torch::autograd::backward({y.to(at::kFloat).mul(weights).sum()}, {});
  return {y.detach(), x.grad(), a.grad(), b.grad()};
}

void check_alike(const at::Tensor& received, const at::Tensor& expected, double tolerance) {
  REQUIRE(received.defined());
  CHECK((received.scalar_type() == expected.scalar_type()));
  CHECK((received - expected).abs().max().item<double>() <= tolerance * expected.abs().max().item<double>());
}

}  // namespace

TEST_CASE("a linear layer with an adapter computes and differentiates as plain operators do") {
  for (const bool with_bias : {false, true})
    for (const double rate : {0.0, 0.4}) {
      CAPTURE(with_bias);
      CAPTURE(rate);
      const auto in = random_inputs(3, with_bias);
      const auto ours = results(kernels::lora_linear, in, {rate, 11});
      const auto plain = results(kernels::lora_linear_reference, in, {rate, 11});
      for (size_t i = 0; i < ours.size(); i++) check_alike(ours[i], plain[i], 2e-6);
    }
}

TEST_CASE("a bfloat16 layer takes a float32 adapter and answers in bfloat16") {
  const auto in = random_inputs(4, true, at::kBFloat16);
  const auto ours = results(kernels::lora_linear, in, {});
  const auto plain = results(kernels::lora_linear_reference, in, {});
  CHECK((ours[0].scalar_type() == at::kBFloat16));
  for (size_t i = 0; i < ours.size(); i++) check_alike(ours[i], plain[i], 2e-2);
}

TEST_CASE("frozen weights get no gradient, and inputs only where something below is trained") {
  auto in = random_inputs(5, true);
  const auto a = in.a.set_requires_grad(true);
  auto y = kernels::lora_linear(in.x, in.weight, in.bias, {a, in.b, 1}, {});
  torch::autograd::backward({y.sum()}, {});
  CHECK(a.grad().defined());
  CHECK_FALSE(in.b.grad().defined());
  CHECK_FALSE(in.weight.grad().defined());
  CHECK_FALSE(in.x.grad().defined());

  in.weight.set_requires_grad(true);
  in.bias.set_requires_grad(true);
  y = kernels::lora_linear(in.x, in.weight, in.bias, {a, in.b, 1}, {});
  torch::autograd::backward({y.sum()}, {});
  CHECK(in.weight.grad().allclose(in.x.flatten(0, 1).sum(0).expand_as(in.weight), 1e-5, 1e-5));
  CHECK(in.bias.grad().allclose(at::full_like(in.bias, 14)));
}

TEST_CASE("with B zero the layer is what it was, bit for bit") {
  auto in = random_inputs(6, true);
  in.b.zero_();
  const auto y = kernels::lora_linear(in.x, in.weight, in.bias, {in.a, in.b, 2}, {0.3, 1});
  CHECK(y.equal(kernels::linear(in.x, in.weight, in.bias)));
}
