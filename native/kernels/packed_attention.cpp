#include "kernels/packed_attention.h"

#include "kernels/autograd.h"
#include "kernels/dispatch.h"
#include "kernels/packed_attention_cudnn.h"
#include "kernels/packed_attention_dense.h"
#include "kernels/packed_attention_flash.h"
#include "kernels/packed_attention_fused.h"

namespace tongueforge::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor with_dense_heads(const at::Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

/// (B,T,N*H) -> (B,N,T,H), the same memory
at::Tensor as_heads(const at::Tensor& y, int64_t heads) {
  return y.unflatten(-1, {heads, -1}).transpose(1, 2);
}

int64_t places_of(const std::vector<PackedDocument>& documents) {
  int64_t places = 0;
  for (const auto& document : documents) places += document.length;
  return places;
}

// Room for a result in the layout of x, zero where no document will write.
at::Tensor room_like(const at::Tensor& x, const PackedAttentionOptions& options) {
  const bool is_covered = places_of(options.plan->documents) == x.size(0) * x.size(2);
  return is_covered ? at::empty_like(x) : at::zeros_like(x);
}

struct PackedAttention : torch::autograd::Function<PackedAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const PackedAttentionOptions& options) {
    const int64_t batch = q.size(0), heads = q.size(1), time = q.size(2);
    const auto out = at::empty({batch, time, heads * q.size(3)}, q.options());
    if (places_of(options.plan->documents) < batch * time) out.zero_();
    const auto log_sums = at::empty({batch, heads, time}, q.options().dtype(wide_dtype(q)));
    const AttentionTensors tensors = {with_dense_heads(q), with_dense_heads(k), with_dense_heads(v),
                                      as_heads(out, heads), log_sums};
    fused_attention_forward(tensors, options);
    context->save_for_backward({tensors.q, tensors.k, tensors.v, out, tensors.log_sums});
    context->saved_data["options"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(options));
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    const auto options = static_cast<Kept*>(context->saved_data["options"].toCapsule().get())->options;
    const int64_t heads = saved[0].size(1);
    const AttentionTensors tensors = {saved[0], saved[1], saved[2], as_heads(saved[3], heads), saved[4]};
    const AttentionGradients grads = {as_heads(incoming[0].contiguous(), heads),
                                      room_like(tensors.q, options), room_like(tensors.k, options),
                                      room_like(tensors.v, options)};
    fused_attention_backward(tensors, grads, options);
    return {grads.dq, grads.dk, grads.dv, {}};
  }

 private:
  struct Kept : torch::CustomClassHolder {
    explicit Kept(PackedAttentionOptions kept) : options(std::move(kept)) {}
    PackedAttentionOptions options;
  };
};

}  // namespace

at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const PackedAttentionOptions& options) {
  TORCH_CHECK(q.size(1) % k.size(1) == 0, "expected heads in equal groups, received ", q.size(1), " on ",
              k.size(1));
  TORCH_CHECK(options.causal || options.window == 0, "a window looks back only");
  if (has_fused_code(q, k, v)) return PackedAttention::apply(q, k, v, options);
  if (takes_cudnn_attention(q, options)) return cudnn_packed_attention(q, k, v, options);
  if (has_flash_attention(q.device(), q.scalar_type(), q.size(3)))
    return flash_packed_attention(q, k, v, options);
  return dense_packed_attention(q, k, v, options);
}

}  // namespace tongueforge::kernels
