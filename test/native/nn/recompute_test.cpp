// Laws of a part of a model that backward computes again.
#include "nn/recompute.h"

#include "core/job.h"
#include "doctest.h"
#include "kernels/autograd.h"

using namespace tongueforge;

namespace {

// (x w, x w + b), counting how often it was asked.
struct Counted {
  at::Tensor w, b;
  std::shared_ptr<int> calls = std::make_shared<int>(0);

  std::vector<at::Tensor> operator()(const std::vector<at::Tensor>& inputs) const {
    ++*calls;
    const auto product = inputs[0].matmul(w);
    return {product.tanh(), product + b};
  }
};

at::Tensor random(at::IntArrayRef shape, uint64_t seed, bool is_trained = true) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat).set_requires_grad(is_trained);
}

}  // namespace

TEST_CASE("a recomputed part gives the same outputs and gradients, to the bit") {
  for (const bool input_is_trained : {true, false}) {
    const auto x = random({3, 4}, 1, input_is_trained);
    const Counted part{random({4, 5}, 2), random({5}, 3)};
    const auto of = [&](const std::vector<at::Tensor>& outputs) {
      std::vector<at::Tensor> sources = {part.w, part.b};
      if (input_is_trained) sources.push_back(x);
      return torch::autograd::grad({(outputs[0] * outputs[1].sin()).sum()}, sources);
    };
    const auto plain = part({x}), again = nn::recomputed(part, {x}, {part.w, part.b});
    CHECK(again[0].equal(plain[0]));
    CHECK(again[1].equal(plain[1]));
    const auto expected = of(plain), received = of(again);
    for (size_t i = 0; i < expected.size(); i++) CHECK(received[i].equal(expected[i]));
    CHECK(*part.calls == 3);  // once plainly, twice recomputed
  }
}

TEST_CASE("a part of which one output is not used still has gradients") {
  const auto x = random({3, 4}, 1);
  const Counted part{random({4, 5}, 2), random({5}, 3)};
  const auto out = nn::recomputed(part, {x}, {part.w, part.b});
  const auto gradients = torch::autograd::grad({out[0].sum()}, {x, part.w, part.b}, {}, std::nullopt, false,
                                               /*allow_unused=*/true);
  const auto expected = torch::autograd::grad({part({x})[0].sum()}, {x, part.w});
  CHECK(gradients[0].equal(expected[0]));
  CHECK(gradients[1].equal(expected[1]));
  CHECK_FALSE(gradients[2].defined());
}

TEST_CASE("without recording, or with nothing to train, a part runs once and nothing is kept") {
  const Counted trained{random({4, 5}, 2), random({5}, 3)};
  {
    const at::NoGradGuard no_grad;
    const auto out = nn::recomputed(trained, {random({3, 4}, 1)}, {trained.w, trained.b});
    CHECK_FALSE(out[0].requires_grad());
  }
  const Counted frozen{random({4, 5}, 2, false), random({5}, 3, false)};
  CHECK_FALSE(nn::recomputed(frozen, {random({3, 4}, 1, false)}, {frozen.w, frozen.b})[0].requires_grad());
  CHECK(*trained.calls == 1);
  CHECK(*frozen.calls == 1);
}

TEST_CASE("what a part throws in backward comes out of backward as it was") {
  const auto x = random({3, 4}, 1);
  int calls = 0;
  const auto part = [&calls](const std::vector<at::Tensor>& inputs) -> std::vector<at::Tensor> {
    if (++calls > 1) throw Cancelled{};
    return {inputs[0] * 2};
  };
  const auto out = nn::recomputed(part, {x}, {});
  CHECK_THROWS_AS(torch::autograd::backward({out[0].sum()}, {}), Cancelled);
  CHECK(calls == 2);
}
