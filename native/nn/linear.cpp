#include "nn/linear.h"

#include "kernels/aten.h"
#include "kernels/linear.h"
#include "kernels/row_product.h"

namespace tongueforge::nn {
namespace {

// (..., in) -> (..., out), by a layer whose code may choose by the number of rows: each row on its own, and
// where memory is aligned as that of a row alone.
at::Tensor row_by_row(const Linear& layer, const at::Tensor& x) {
  std::vector<at::Tensor> all;
  for (const auto& row : x.reshape({-1, 1, x.size(-1)}).unbind(0)) all.push_back(layer(row.clone()));
  auto sizes = x.sizes().vec();
  sizes.back() = all.front().size(-1);
  return at::cat(all, 0).view(sizes);
}

}  // namespace

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (observer) observer(x);
  if ((adapter || execution) && kernels::RowwiseScope::is_open() && x.numel() > x.size(-1))
    return row_by_row(*this, x);
  if (adapter) {
    const auto dropout = adapter->dropout->of_adapter(adapter->number);
    return kernels::lora_linear(x, weight, bias, adapter->added, dropout);
  }
  if (execution && !at::GradMode::is_enabled()) return (*execution)(x, bias);
  if (factors) return kernels::linear(kernels::linear(x, factors->in_RI), factors->out_OR, bias);
  return kernels::linear(x, weight, bias);
}

at::Tensor Linear::dense() const { return factors ? at::matmul(factors->out_OR, factors->in_RI) : weight; }

void Linear::append_tensors(std::vector<at::Tensor>& all) const {
  if (factors)
    all.insert(all.end(), {factors->in_RI, factors->out_OR});
  else
    all.push_back(weight);
  if (bias.defined()) all.push_back(bias);
  if (adapter) all.insert(all.end(), {adapter->added.a_RI, adapter->added.b_OR});
}

}  // namespace tongueforge::nn
