#include "compress/plain_weights.h"

#include "compress/pruning_models.h"
#include "core/error.h"
#include "doctest.h"
#include "models/adapters.h"
#include "models/zeros_execution.h"

using namespace tongueforge;
using namespace tongueforge::test;

namespace {

Error refusal(const models::Block& block) {
  try {
    compress::check_cuttable(block);
  } catch (const Error& error) { return error; }
  FAIL("nothing was thrown");
  return Error("", "");
}

}  // namespace

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
