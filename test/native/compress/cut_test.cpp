#include "compress/cut.h"

#include "compress/pruning_models.h"
#include "core/error.h"
#include "doctest.h"
#include "models/adapters.h"
#include "models/zeros_execution.h"

using namespace tongueforge;
using namespace tongueforge::test;
using compress::keep_inputs;
using compress::keep_outputs;

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

Error refusal(const models::Block& block) {
  try {
    compress::check_cuttable(block);
  } catch (const Error& error) { return error; }
  FAIL("nothing was thrown");
  return Error("", "");
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

TEST_CASE("a block under an adapter, or executed in another form, is not cut") {
  const auto model = pruning_decoder(kPruningCases[0], 1);
  CHECK_NOTHROW(compress::check_cuttable(model->blocks()[1]));
  models::attach_adapters(*model, {{"model.layers.1.mlp.up_proj", 2, 1.0}}, 0, 1);
  const auto adapted = refusal(model->blocks()[1]);
  CHECK(adapted.code() == "ERR_ADAPTER");
  CHECK(adapted.message() ==
        "model.layers.1.mlp.up_proj: expected weights without an adapter, received some under an adapter");
  CHECK(adapted.hint() == "Merge it first: tongueforge adapter merge.");
  auto block = model->blocks()[0];
  set_zeros_execution(*block.k.linear);
  const auto executed = refusal(block);
  CHECK(executed.code() == "ERR_CONFIG");
  CHECK(
      executed.message() ==
      "model.layers.0.self_attn.k_proj: expected weights as they are stored, received another form of them");
  CHECK(executed.hint() == "Remove heads, rows and layers before weights are quantised.");
}
