// What may be pruned: weights and biases of the linear layers of blocks, whole or factored, and nothing else.
#include "models/prunable.h"

#include "core/error.h"
#include "kernels/aten.h"
#include "models/tiny_decoder.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;

TEST_CASE("both factors of a layer may be pruned, norms and tables not") {
  auto spec = test::tiny_spec();
  spec.layers[1].ranks = {{"mlp.up_proj", 3}};
  const auto names = models::prunable_names(*test::tiny_decoder(spec));
  CHECK(names.contains("model.layers.0.mlp.up_proj.weight"));
  CHECK(names.contains("model.layers.0.self_attn.q_proj.bias"));
  for (const char* factor : {"in", "out"})
    CHECK(names.contains(str("model.layers.1.mlp.up_proj.", factor, ".weight")));
  CHECK(names.size() == 2 * (7 + 3) + 1);  // weights and biases of each block, and one weight that became two
}
