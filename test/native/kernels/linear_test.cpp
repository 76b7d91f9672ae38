#include "kernels/linear.h"

#include "doctest.h"

#include "kernels/autograd.h"
#include "kernels/matrix_product.h"

using namespace tongueforge;

namespace {

// Products of k terms in float32, summed in any order: the bound is of the terms, not of the sum.
double tolerance(int64_t k) { return 1e-6 * static_cast<double>(k); }

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

struct Gradients {
  at::Tensor y, x, weight, bias;
};

template <class Op>
Gradients gradients(const Op& op, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const at::Tensor& dy) {
  std::vector<at::Tensor> leaves;
  for (const auto& tensor : {x, weight, bias}) leaves.push_back(tensor.detach().requires_grad_());
  const auto y = op(leaves[0], leaves[1], leaves[2]);
  torch::autograd::backward({y}, {dy});
  return {y.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
}

}  // namespace

TEST_CASE("a linear layer and its gradients are those of double precision, for every size") {
  at::manual_seed(1);
  for (const int64_t rows : {1, 3, 8, 33, 100})
    for (const auto& [in, out] : {std::pair<int64_t, int64_t>{8, 24}, {40, 8}, {5, 70}, {64, 64}}) {
      CAPTURE(rows);
      CAPTURE(in);
      CAPTURE(out);
      const auto x = at::randn({1, rows, in}), weight = at::randn({out, in}), bias = at::randn({out});
      const auto dy = at::randn({1, rows, out});
      const auto ours = gradients(kernels::linear, x, weight, bias, dy);
      const auto exact = gradients([](auto&... t) { return at::linear(t...); }, x.to(at::kDouble),
                                   weight.to(at::kDouble), bias.to(at::kDouble), dy.to(at::kDouble));
      CHECK(largest_difference(ours.y, exact.y) < tolerance(in));
      CHECK(largest_difference(ours.x, exact.x) < tolerance(out));
      CHECK(largest_difference(ours.weight, exact.weight) < tolerance(rows));
      CHECK(largest_difference(ours.bias, exact.bias) < tolerance(rows));
    }
}

TEST_CASE("a frozen weight gets no gradient, and its input one") {
  const auto x = at::randn({16, 32}).requires_grad_(), weight = at::randn({24, 32});
  torch::autograd::backward({kernels::linear(x, weight).sum()}, {});
  CHECK(largest_difference(x.grad(), weight.sum(0).expand_as(x)) < 1e-4);
  CHECK_FALSE(weight.grad().defined());
}

TEST_CASE("a product goes into rows of a larger tensor, and can be added to what is there") {
  const auto all = at::ones({30, 16});
  const auto out = all.narrow(0, 10, 10);
  const auto a = at::randn({40, 10}).t(), b = at::randn({16, 40}).t();
  kernels::matrix_product_into(out, a, b, /*beta=*/2);
  CHECK(largest_difference(out, a.mm(b) + 2) < 1e-4);
  CHECK(at::equal(all.narrow(0, 0, 10), at::ones({10, 16})));
  CHECK(at::equal(all.narrow(0, 20, 10), at::ones({10, 16})));
  out.fill_(std::numeric_limits<float>::quiet_NaN());
  kernels::matrix_product_into(out, a, b);
  CHECK(largest_difference(out, a.mm(b)) < 1e-4);
}

TEST_CASE("factors that lie side by side in neither direction are multiplied right") {
  const auto a = at::randn({20, 10, 2}).select(2, 1), b = at::randn({20, 24}).slice(0, 0, 20, 2);
  CHECK(largest_difference(kernels::matrix_product(a, b), a.contiguous().mm(b.contiguous())) < 1e-4);
}

TEST_CASE("a product of the size that oneDNN is asked for is right on every processor") {
  at::manual_seed(3);
  const auto a = at::randn({128, 160}), b = at::randn({160, 96});
  const auto exact = a.to(at::kDouble).mm(b.to(at::kDouble));
  CHECK(largest_difference(kernels::matrix_product(a, b), exact) < tolerance(160));
}

TEST_CASE("vectors and other types than float32 stay with ATen") {
  CHECK_FALSE(kernels::is_onednn_faster(at::kFloat, 1, 4096, 4096));
  CHECK_FALSE(kernels::is_onednn_faster(at::kDouble, 64, 64, 64));
  CHECK_FALSE(kernels::is_onednn_faster(at::kBFloat16, 64, 64, 64));
}
