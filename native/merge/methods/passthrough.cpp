#include "merge/methods/passthrough.h"

#include <cstring>

#include "merge/methods/rounding.h"

namespace tongueforge::merge {

void merge_passthrough(const MethodTensor& tensor, float* out) {
  const float* values = tensor.inputs[0].values;
  const double scale = tensor.inputs[0].parameters.get("scale", 1);
  if (scale == 1) {
    std::memcpy(out, values, tensor.size * sizeof(float));
  } else if (!tensor.compat) {
    for (size_t i = 0; i < tensor.size; ++i) out[i] = static_cast<float>(scale * values[i]);
  } else {
    for_rounding(*tensor.compat, [&](auto round) {
      for (size_t i = 0; i < tensor.size; ++i) out[i] = round(values[i] * static_cast<float>(scale));
    });
  }
}

}  // namespace tongueforge::merge
