#include "nn/cut.h"

#include "compress/pruning_models.h"
#include "doctest.h"

using namespace tongueforge;
using namespace tongueforge::test;
using nn::keep_inputs;
using nn::keep_outputs;

namespace {

nn::Linear random_linear(uint64_t seed, bool factored) {
  auto random = generator(seed);
  nn::Linear linear;
  linear.bias = at::randn({6}, random);
  if (factored)
    linear.factors = nn::Factors{3, at::randn({6, 3}, random), at::randn({3, 8}, random)};
  else
    linear.weight = at::randn({6, 8}, random);
  return linear;
}

}  // namespace

TEST_CASE("what stays of a linear layer computes what it did, factored or not") {
  const at::NoGradGuard no_grad;
  for (const bool factored : {false, true}) {
    CAPTURE(factored);
    const auto whole = random_linear(3, factored);
    auto random = generator(4);
    const auto x = at::randn({5, 8}, random);
    auto outputs = whole;
    keep_outputs(outputs, {0, 2}, 2);  // pairs: outputs 0, 1, 4, 5
    CHECK(distance(outputs(x), whole(x).index_select(1, at::tensor({0, 1, 4, 5}, at::kLong))) < 1e-6);
    auto inputs = whole;
    keep_inputs(inputs, {1, 2}, 2);  // inputs 2 to 5
    const auto masked = x * at::tensor({0, 0, 1, 1, 1, 1, 0, 0});
    CHECK(distance(inputs(x.slice(1, 2, 6)), whole(masked)) < 1e-5);
    CHECK(inputs.bias.is_same(whole.bias));
  }
}

TEST_CASE("where all units stay, the very tensors stay") {
  auto linear = random_linear(3, false);
  const auto weight = linear.weight, bias = linear.bias;
  keep_outputs(linear, {0, 1, 2, 3, 4, 5});
  keep_inputs(linear, {0, 1}, 4);
  CHECK(linear.weight.is_same(weight));
  CHECK(linear.bias.is_same(bias));
}

TEST_CASE("what has gone leaves memory, and what there is not stays so") {
  auto linear = random_linear(3, false);
  keep_outputs(linear, {0, 1, 2});
  CHECK(linear.weight.storage().nbytes() == 3 * 8 * sizeof(float));
  CHECK(linear.bias.storage().nbytes() == 3 * sizeof(float));
  linear.bias = at::Tensor();
  keep_outputs(linear, {1});
  CHECK(linear.weight.sizes() == at::IntArrayRef({1, 8}));
  CHECK(!linear.bias.defined());
}
