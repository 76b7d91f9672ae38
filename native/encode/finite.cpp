#include "encode/finite.h"

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::encode {

at::Tensor finite(const at::Tensor& numbers, size_t first_row, const char* what) {
  auto found = numbers.to(at::kCPU, at::kFloat).contiguous();
  if (found.numel() == 0) return found;
  const auto is_good = found.flatten(1).isfinite().all(1);
  if (is_good.all().item<bool>()) return found;
  const auto bad = is_good.logical_not().nonzero()[0][0].item<int64_t>();
  throw Error(
      "ERR_NON_FINITE",
      str("Expected finite ", what, ", received values that are no numbers in row ",
          first_row + static_cast<size_t>(bad)),
      "Do the weights have NaN? Weights of float16 may overflow: load the model as float32 or bfloat16.");
}

}  // namespace tongueforge::encode
