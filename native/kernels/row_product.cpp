#include "kernels/row_product.h"

#include <utility>

#include "kernels/aten.h"
#include "kernels/few_rows.h"

namespace tongueforge::kernels {
namespace {

// As with at::GradMode, a property of the thread that calls, not of the program.
thread_local bool rowwise = false;

}  // namespace

RowwiseScope::RowwiseScope() : before_(std::exchange(rowwise, true)) {}
RowwiseScope::~RowwiseScope() { rowwise = before_; }
bool RowwiseScope::is_open() { return rowwise; }

bool takes_row_product(const at::Tensor& x, const at::Tensor& weight) {
  const auto type = x.scalar_type();
  return x.is_cpu() && weight.is_cpu() && (type == at::kFloat || type == at::kBFloat16) &&
         weight.scalar_type() == type &&
         !(at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad()));
}

at::Tensor row_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& maybe_bias) {
  return few_rows_linear(x, weight.contiguous(), maybe_bias.defined() ? maybe_bias.contiguous() : maybe_bias);
}

}  // namespace tongueforge::kernels
