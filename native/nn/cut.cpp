#include "nn/cut.h"

#include "kernels/aten.h"

namespace tongueforge::nn {
namespace {

at::Tensor places(const std::vector<int64_t>& units, int64_t width) {
  const auto first = at::tensor(units, at::kLong) * width;
  return (first.unsqueeze(1) + at::arange(width)).flatten();
}

}  // namespace

// A new tensor even where views would do: what has gone is to leave memory too.
void keep_units(at::Tensor& tensor, int64_t dim, const std::vector<int64_t>& kept, int64_t width) {
  const at::NoGradGuard no_grad;
  if (!tensor.defined() || static_cast<int64_t>(kept.size()) * width == tensor.size(dim)) return;
  tensor = tensor.index_select(dim, places(kept, width).to(tensor.device()));
}

void keep_outputs(Linear& linear, const std::vector<int64_t>& kept, int64_t width) {
  keep_units(linear.factors ? linear.factors->out_OR : linear.weight, 0, kept, width);
  keep_units(linear.bias, 0, kept, width);
}

void keep_inputs(Linear& linear, const std::vector<int64_t>& kept, int64_t width) {
  keep_units(linear.factors ? linear.factors->in_RI : linear.weight, 1, kept, width);
}

}  // namespace tongueforge::nn
