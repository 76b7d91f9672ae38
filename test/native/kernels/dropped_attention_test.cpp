// Attention with probabilities dropped, beside the kernel that drops none and beside the formula.
#include "kernels/dropped_attention.h"

#include "doctest.h"
#include "kernels/autograd.h"
#include "kernels/packed_attention.h"

using namespace tongueforge;

namespace {

constexpr int64_t kBatch = 2, kHeads = 3, kTime = 11, kWidth = 4;

struct Inputs {
  at::Tensor q, k, v;
  // Two documents and padding; padding, then one document.
  std::shared_ptr<const kernels::PackedPlan> plan = kernels::packed_plan(
      at::tensor({0, 0, 0, 0, 1, 1, 1, 1, 1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, at::kLong)
          .view({kBatch, kTime}));

  explicit Inputs(uint64_t seed) {
    auto random = at::detail::createCPUGenerator(seed);
    for (auto* x : {&q, &k, &v})
      *x = at::empty({kBatch, kTime, kHeads, kWidth}).normal_(0, 1, random).transpose(1, 2).requires_grad_();
  }

  std::vector<at::Tensor> gradients(const at::Tensor& y) const {
    const auto of = at::arange(y.numel(), y.options()).view_as(y).sin();
    return torch::autograd::grad({y}, {q, k, v}, {of});
  }
};

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

}  // namespace

TEST_CASE("attention that drops hardly anything is packed attention, forward and backward") {
  const Inputs x(1);
  const auto y = kernels::dropped_attention(x.q, x.k, x.v, x.plan, {.rate = 1e-12, .key = 7});
  const auto expected = kernels::packed_attention(x.q, x.k, x.v, {.plan = x.plan, .causal = false});
  CHECK(difference(y, expected) < 1e-6);
  const auto [own, others] = std::pair(x.gradients(y), x.gradients(expected));
  for (size_t i = 0; i < own.size(); i++) CHECK(difference(own[i], others[i]) < 1e-5);
}

TEST_CASE("what is dropped of the probabilities is gone, the rest is larger, and the same when asked again") {
  const Inputs x(2);
  const kernels::DropoutKey dropout{.rate = 0.4, .key = 9};
  const auto ones = at::ones_like(x.v);
  // Of values that are all 1 attention gives the sum of what is left: 0, or at least one probability by .6.
  const auto y = kernels::dropped_attention(x.q, x.k, ones, x.plan, dropout);
  CHECK(difference(y, at::ones_like(y)) > 0.1);
  const auto documents = y[1].narrow(0, 2, kTime - 2);
  CHECK(documents.mean().item<double>() == doctest::Approx(1).epsilon(0.2));
  CHECK(y.equal(kernels::dropped_attention(x.q, x.k, ones, x.plan, dropout)));
  CHECK(!y.equal(kernels::dropped_attention(x.q, x.k, ones, x.plan, {.rate = 0.4, .key = 10})));
  CHECK(y[0].narrow(0, 9, 2).abs().max().item<double>() == 0);
  CHECK(y[1].narrow(0, 0, 2).abs().max().item<double>() == 0);
}

TEST_CASE("the gradient is that of the formula with what was dropped as it was") {
  const Inputs x(4);
  const auto plan = kernels::packed_plan(at::zeros({kBatch, kTime}, at::kLong));
  const kernels::DropoutKey dropout{.rate = 0.4, .key = 5};
  // With values that tell one place from another the kernel itself says what it keeps.
  const auto eye = at::eye(kTime).expand({kBatch, kHeads, kTime, kTime});
  const auto q = at::zeros({kBatch, kHeads, kTime, kTime});
  const auto kept = kernels::dropped_attention(q, q, eye, plan, dropout)  // each probability is 1 / T
                        .unflatten(2, {kHeads, kTime})
                        .transpose(1, 2) *
                    kTime;
  CHECK(((kept == 0) | ((kept - 1 / 0.6).abs() < 1e-5)).all().item<bool>());
  const auto scores = at::matmul(x.q, x.k.transpose(2, 3)) / 2.0;
  const auto expected = at::matmul(at::softmax(scores, -1) * kept, x.v).transpose(1, 2).flatten(2);
  const auto y = kernels::dropped_attention(x.q, x.k, x.v, plan, dropout);
  CHECK(difference(y, expected) < 1e-6);
  const auto [own, others] = std::pair(x.gradients(y), x.gradients(expected));
  for (size_t i = 0; i < own.size(); i++) CHECK(difference(own[i], others[i]) < 1e-5);
}

TEST_CASE("documents that are alike drop different places, and no document sees another") {
  Inputs x(3);
  const auto plan =
      kernels::packed_plan(at::tensor({0, 0, 0, 0, 0, 1, 1, 1, 1, 1, -1}, at::kLong).view({1, kTime}));
  const auto twice = [](const at::Tensor& t) {
    auto row = t.narrow(0, 0, 1).detach().clone();
    row.narrow(2, 5, 5).copy_(row.narrow(2, 0, 5));
    return row;
  };
  const auto q = twice(x.q), k = twice(x.k);
  auto v = twice(x.v);
  const kernels::DropoutKey dropout{.rate = 0.4, .key = 3};
  const auto y = kernels::dropped_attention(q, k, v, plan, dropout)[0];
  CHECK(!y.narrow(0, 0, 5).equal(y.narrow(0, 5, 5)));
  v.narrow(2, 5, 5).fill_(100);
  CHECK(kernels::dropped_attention(q, k, v, plan, dropout)[0].narrow(0, 0, 5).equal(y.narrow(0, 0, 5)));
}
