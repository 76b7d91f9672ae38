#include "compress/plain_weights.h"

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::compress {

void check_no_adapter(const models::Projection& projection) {
  if (!projection.linear->adapter) return;
  throw Error("ERR_ADAPTER",
              str(projection.name, ": expected weights without an adapter, received some under an adapter"),
              "Merge it first: tongueforge adapter merge.");
}

void check_cuttable(const models::Block& block) {
  for (const auto& [name, linear] : block.linears()) {
    check_no_adapter({name, linear});
    if (linear->execution)
      throw Error("ERR_CONFIG",
                  str(name, ": expected weights as they are stored, received another form of them"),
                  "Remove heads, rows and layers before weights are quantised.");
  }
}

void check_finite_weights(const std::string& name, const at::Tensor& weight) {
  if (weight.isfinite().all().item<bool>()) return;
  throw Error("ERR_NON_FINITE", str("Expected finite weights in ", name, ", received NaN or infinity"),
              "tongueforge inspect --scan shows which tensors hold them.");
}

void throw_non_finite_inputs(const std::string& name) {
  throw Error("ERR_NON_FINITE", str("Expected finite inputs of ", name, " on the calibration rows"),
              "The weights hold NaN or infinity, or overflow in this dtype: dtype: float32.");
}

}  // namespace tongueforge::compress
