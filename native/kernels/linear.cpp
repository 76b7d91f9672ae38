#include "kernels/linear.h"

#include "kernels/autograd.h"
#include "kernels/few_rows.h"
#include "kernels/matrix_product.h"
#include "kernels/row_product.h"
#include "kernels/thin_product.h"

namespace tongueforge::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// (..., D) -> (M,D)
at::Tensor as_matrix(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

// (M,out) -> (..., out), with the outer sizes of x
at::Tensor with_sizes_of(const at::Tensor& y, const at::Tensor& x) {
  auto sizes = x.sizes().vec();
  sizes.back() = y.size(1);
  return y.view(sizes);
}

at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  auto y = matrix_product(as_matrix(x), weight.t());
  if (bias.defined()) y.add_(bias);
  return with_sizes_of(y, x);
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["has_bias"] = bias.has_value();
    return product(x, weight, bias.value_or(at::Tensor()));
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1];
    const auto dy = as_matrix(grads[0]);
    variable_list of(3);
    if (context->needs_input_grad(0)) of[0] = with_sizes_of(matrix_product(dy, weight), x);
    if (context->needs_input_grad(1)) of[1] = matrix_product(dy.t(), as_matrix(x));
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2)) of[2] = dy.sum(0);
    return of;
  }
};

// Second derivatives and other devices are ATen's; small products too, whose cost is the call.
bool has_gain(const at::Tensor& x, const at::Tensor& weight) {
  const int64_t rows = x.numel() / x.size(-1);
  return x.is_cpu() && is_onednn_faster(x.scalar_type(), rows, weight.size(0), weight.size(1));
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (x.is_cuda() && takes_thin_product(x, {{weight, bias}})) return thin_linear(x, {{weight, bias}}).front();
  if (RowwiseScope::is_open() && takes_row_product(x, weight)) return row_product(x, weight, bias);
  if (takes_few_rows(x, weight, bias)) return few_rows_linear(x, weight, bias);
  if (!has_gain(x, weight)) return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
  const bool recorded = at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad() ||
                                                       (bias.defined() && bias.requires_grad()));
  if (!recorded) return product(x, weight, bias);
  return LinearFunction::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

}  // namespace tongueforge::kernels
