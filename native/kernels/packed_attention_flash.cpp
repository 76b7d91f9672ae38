#include "kernels/packed_attention_flash.h"

#include <algorithm>

#include "kernels/autograd.h"

namespace tongueforge::kernels {
namespace {

using detail::FlashCall;
using detail::FlashGradients;
using detail::FlashKernel;
using detail::FlashResult;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// ---- libtorch's kernel: the same calls from 2.11 to 2.14 ----

FlashResult aten_forward(const FlashCall& c) {
  auto [y, log_sums, random, unused, no_mask] = at::_flash_attention_forward(
      c.q, c.k, c.v, c.offsets, c.offsets, c.longest, c.longest, /*dropout_p=*/0.0, c.causal,
      /*return_debug_mask=*/false, /*scale=*/std::nullopt, c.left, /*window_size_right=*/std::nullopt);
  return {y, log_sums, random, unused};
}

FlashGradients aten_backward(const FlashCall& c, const FlashResult& result, const at::Tensor& dy) {
  auto [dq, dk, dv] = at::_flash_attention_backward(
      dy, c.q, c.k, c.v, result.y, result.log_sums, c.offsets, c.offsets, c.longest, c.longest,
      /*dropout_p=*/0.0, c.causal, result.random, result.unused, /*scale=*/std::nullopt, c.left,
      /*window_size_right=*/std::nullopt);
  return {dq, dk, dv};
}

// ---- rows in and out ----

/// (B,N,T,H) -> (B*T,N,H): a view where the memory is that of (B,T,N,H), as a projection leaves it.
at::Tensor flat_rows(const at::Tensor& x) {
  const auto rows = x.transpose(1, 2).reshape({x.size(0) * x.size(2), x.size(1), x.size(3)});
  return rows.stride(-1) == 1 ? rows : rows.contiguous();
}

/// (B*T,N,H) -> (B,N,T,H), the same memory.
at::Tensor heads_of(const at::Tensor& rows, const PackedPlan& plan) {
  return rows.view({plan.batch, plan.time, rows.size(1), rows.size(2)}).transpose(1, 2);
}

void zero_padding(const at::Tensor& rows, const PackedPlan& plan) {
  if (plan.padding_BT.defined()) at::Tensor(rows).masked_fill_(plan.padding_BT.view({-1, 1, 1}), 0);
}

FlashCall call_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const PackedAttentionOptions& options) {
  FlashCall call{.q = q, .k = k, .v = v, .offsets = options.plan->offsets, .causal = options.causal};
  call.longest = std::max<int64_t>(options.plan->longest, 2);
  if (options.window > 0) call.left = options.window - 1;
  return call;
}

struct FlashAttention : torch::autograd::Function<FlashAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const PackedAttentionOptions& options,
                            const FlashKernel& kernel) {
    const auto call = call_of(flat_rows(q), flat_rows(k), flat_rows(v), options);
    const auto result = kernel.forward(call);
    zero_padding(result.y, *options.plan);
    const auto out = result.y.view({q.size(0), q.size(2), q.size(1) * q.size(3)});
    context->save_for_backward({call.q, call.k, call.v, out, result.log_sums, result.random, result.unused});
    context->saved_data["kept"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(options, kernel));
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    const auto kept = context->saved_data["kept"].toCapsule();
    const auto& [options, kernel] = static_cast<const Kept&>(*kept).content;
    const auto call = call_of(saved[0], saved[1], saved[2], options);
    const auto dy = without_padding(incoming[0], *options.plan).view(call.q.sizes());
    const auto grads =
        kernel.backward(call, {saved[3].view(call.q.sizes()), saved[4], saved[5], saved[6]}, dy);
    for (const auto& grad : {grads.q, grads.k, grads.v}) zero_padding(grad, *options.plan);
    return {heads_of(grads.q, *options.plan),
            heads_of(grads.k, *options.plan),
            heads_of(grads.v, *options.plan),
            {},
            {}};
  }

 private:
  struct Kept : torch::CustomClassHolder {
    Kept(PackedAttentionOptions options, const FlashKernel& kernel) : content{std::move(options), kernel} {}
    std::pair<PackedAttentionOptions, FlashKernel> content;
  };

  // (B,T,N*H), dense: what flows in at places that forward made zero says nothing about q, k and v.
  static at::Tensor without_padding(const at::Tensor& dy, const PackedPlan& plan) {
    if (!plan.padding_BT.defined()) return dy.contiguous();
    return dy.masked_fill(plan.padding_BT.unsqueeze(-1), 0).contiguous();
  }
};

}  // namespace

bool has_flash_attention(at::Device device, at::ScalarType dtype, int64_t head_dim) {
  return device.is_cuda() && (dtype == at::kBFloat16 || dtype == at::kHalf) && head_dim % 8 == 0 &&
         head_dim <= 256;
}

at::Tensor detail::flash_packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                          const PackedAttentionOptions& options, const FlashKernel& kernel) {
  if (options.job) options.job->check();
  return FlashAttention::apply(q, k, v, options, kernel);
}

at::Tensor flash_packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const PackedAttentionOptions& options) {
  return detail::flash_packed_attention(q, k, v, options, {aten_forward, aten_backward});
}

}  // namespace tongueforge::kernels
