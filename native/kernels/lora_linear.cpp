#include "kernels/lora_linear.h"

#include "kernels/autograd.h"
#include "kernels/few_rows.h"
#include "kernels/linear.h"
#include "kernels/matrix_product.h"

namespace tongueforge::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Values that the adapter sees: float32, as rows, some of them dropped.
at::Tensor adapter_input(const at::Tensor& x_MI, const DropoutKey& dropout) {
  const auto wide_MI = x_MI.to(at::kFloat);
  return dropout.rate > 0 ? drop(wide_MI.contiguous(), dropout) : wide_MI;
}

// y + scale * h b^T in place; a 16-bit y is rounded once more, as in PEFT.
void add_low_rank(at::Tensor& y_MO, const at::Tensor& h_MR, const at::Tensor& b_OR, double scale) {
  if (y_MO.scalar_type() == at::kFloat)
    y_MO.addmm_(h_MR, b_OR.t(), 1, scale);
  else
    y_MO.add_(h_MR.mm(b_OR.t()), scale);
}

class LoraLinear : public torch::autograd::Function<LoraLinear> {
 public:
  // The bias comes last of the tensors: where it is missing, autograd does not count it.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight_OI,
                            const at::Tensor& a_RI, const at::Tensor& b_OR,
                            const std::optional<at::Tensor>& bias_O, double scale, double rate, int64_t key) {
    const auto x_MI = x.flatten(0, -2);
    const auto h_MR = adapter_input(x_MI, {rate, static_cast<uint64_t>(key)}).mm(a_RI.t());
    auto y_MO = linear(x_MI, weight_OI, bias_O.value_or(at::Tensor()));
    add_low_rank(y_MO, h_MR, b_OR, scale);
    context->save_for_backward({x, weight_OI, a_RI, b_OR, h_MR});
    context->saved_data["has_bias"] = bias_O.has_value();
    context->saved_data["scale"] = scale;
    context->saved_data["rate"] = rate;
    context->saved_data["key"] = key;
    auto shape = x.sizes().vec();
    shape.back() = weight_OI.size(0);
    return y_MO.view(shape);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight_OI = saved[1], &a_RI = saved[2], &b_OR = saved[3], &h_MR = saved[4];
    const double scale = context->saved_data["scale"].toDouble();
    const DropoutKey dropout = {context->saved_data["rate"].toDouble(),
                                static_cast<uint64_t>(context->saved_data["key"].toInt())};
    const auto needs = [&](size_t i) { return context->needs_input_grad(i); };
    const auto g_MO = gradients[0].flatten(0, -2);
    const auto wide_MO = g_MO.to(at::kFloat);
    const auto x_MI = x.flatten(0, -2);
    const auto gh_MR = needs(0) || needs(2) ? wide_MO.mm(b_OR).mul_(scale) : at::Tensor();

    variable_list result(8);
    if (needs(0)) result[0] = input_gradient(g_MO, weight_OI, gh_MR, a_RI, dropout).view(x.sizes());
    if (needs(1)) result[1] = matrix_product(g_MO.t(), x_MI);
    if (needs(2)) result[2] = gh_MR.t().mm(adapter_input(x_MI, dropout));
    if (needs(3)) result[3] = wide_MO.t().mm(h_MR).mul_(scale);
    if (context->saved_data["has_bias"].toBool() && needs(4)) result[4] = g_MO.sum(0);
    return result;
  }

 private:
  static at::Tensor input_gradient(const at::Tensor& g_MO, const at::Tensor& weight_OI,
                                   const at::Tensor& gh_MR, const at::Tensor& a_RI,
                                   const DropoutKey& dropout) {
    auto gx_MI = matrix_product(g_MO, weight_OI);
    if (dropout.rate > 0)
      gx_MI.add_(drop(gh_MR.mm(a_RI), dropout));
    else
      add_low_rank(gx_MI, gh_MR, a_RI.t(), 1);
    return gx_MI;
  }
};

}  // namespace

at::Tensor lora_linear(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O,
                       const LowRank& added, const DropoutKey& dropout) {
  const auto maybe_bias = bias_O.defined() ? std::optional(bias_O) : std::nullopt;
  std::optional<AsRecordedScope> scope;  // within, autograd records no more
  if (at::GradMode::is_enabled()) scope.emplace();
  return LoraLinear::apply(x, weight_OI, added.a_RI, added.b_OR, maybe_bias, added.scale, dropout.rate,
                           static_cast<int64_t>(dropout.key));
}

at::Tensor lora_linear_reference(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O,
                                 const LowRank& added, const DropoutKey& dropout) {
  const auto maybe_bias = bias_O.defined() ? std::optional(bias_O) : std::nullopt;
  const auto ones = at::ones_like(x, at::kFloat).contiguous();
  const auto kept = dropout.rate > 0 ? drop(ones, dropout) : ones;
  const auto low_rank = at::linear(at::linear(x.to(at::kFloat).mul(kept), added.a_RI), added.b_OR);
  return at::linear(x, weight_OI, maybe_bias).add(low_rank.mul(added.scale)).to(x.scalar_type());
}

}  // namespace tongueforge::kernels
