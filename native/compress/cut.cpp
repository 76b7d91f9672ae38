#include "compress/cut.h"

#include "compress/plain_weights.h"
#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::compress {
namespace {

// Places of the units in a dimension of units of `width` values.
at::Tensor places(const std::vector<int64_t>& units, int64_t width) {
  const auto first = at::tensor(units, at::kLong) * width;
  return (first.unsqueeze(1) + at::arange(width)).flatten();
}

// A new tensor even where views would do: what has gone is to leave memory too.
void keep_places(at::Tensor& tensor, int64_t dim, const std::vector<int64_t>& units, int64_t width) {
  if (static_cast<int64_t>(units.size()) * width == tensor.size(dim)) return;
  tensor = tensor.index_select(dim, places(units, width));
}

}  // namespace

void check_cuttable(const models::Block& block) {
  for (const auto& [name, linear] : block.linears()) {
    check_no_adapter({name, linear});
    if (linear->execution)
      throw Error("ERR_CONFIG",
                  str(name, ": expected weights as they are stored, received another form of them"),
                  "Remove heads, rows and layers before weights are quantised.");
  }
}

void keep_outputs(nn::Linear& linear, const std::vector<int64_t>& kept, int64_t width) {
  const at::NoGradGuard no_grad;
  keep_places(linear.factors ? linear.factors->out_OR : linear.weight, 0, kept, width);
  if (linear.bias.defined()) keep_places(linear.bias, 0, kept, width);
}

void keep_inputs(nn::Linear& linear, const std::vector<int64_t>& kept, int64_t width) {
  const at::NoGradGuard no_grad;
  keep_places(linear.factors ? linear.factors->in_RI : linear.weight, 1, kept, width);
}

}  // namespace tongueforge::compress
