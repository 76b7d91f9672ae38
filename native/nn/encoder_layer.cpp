#include "nn/encoder_layer.h"

#include "kernels/aten.h"
#include "kernels/dropped_attention.h"

namespace tongueforge::nn {
namespace {

// (B,T,N*H) -> (B,N,T,H)
at::Tensor split_heads(const at::Tensor& x, int64_t num_heads, int64_t head_dim) {
  return x.unflatten(-1, {num_heads, head_dim}).transpose(1, 2);
}

}  // namespace

Visibility whole_documents(const at::Tensor& segments_BT, at::ScalarType dtype, at::Device device,
                           const Job* job) {
  if (device.is_cpu() && dtype == at::kHalf)
    return masked_packed_visibility(segments_BT, /*window=*/0, /*causal=*/false);
  return packed_visibility({.plan = kernels::packed_plan(segments_BT, device), .job = job, .causal = false});
}

at::Tensor EncoderLayer::operator()(const at::Tensor& x_BTD, const Visibility& visibility) const {
  if (norm_first) {
    const auto a_BTD = x_BTD + dropped(attention(attention_norm(x_BTD), visibility), 1);
    return a_BTD + dropped(feed_forward(mlp_norm(a_BTD)), 2);
  }
  const auto a_BTD = attention_norm(x_BTD + dropped(attention(x_BTD, visibility), 1));
  return mlp_norm(a_BTD + dropped(feed_forward(a_BTD), 2));
}

at::Tensor EncoderLayer::dropped(const at::Tensor& x_BTD, uint64_t part) const {
  return dropout ? kernels::dropped(x_BTD, dropout->of_residual(2 * number + part)) : x_BTD;
}

at::Tensor EncoderLayer::feed_forward(const at::Tensor& x_BTD) const {
  const auto hidden_BTF = activated(widen(x_BTD), activation);
  return narrow(dropout ? kernels::dropped(hidden_BTF, dropout->of_activation(number)) : hidden_BTF);
}

at::Tensor EncoderLayer::attention(const at::Tensor& x_BTD, const Visibility& visibility) const {
  const auto q_BNTH = split_heads(q(x_BTD), num_heads, head_dim);
  const auto k_BNTH = split_heads(k(x_BTD), num_heads, head_dim);
  const auto v_BNTH = split_heads(v(x_BTD), num_heads, head_dim);
  const auto drop = dropout ? dropout->of_attention(number) : kernels::DropoutKey{};
  if (visibility.packed && drop.rate > 0)
    return o(kernels::dropped_attention(q_BNTH, k_BNTH, v_BNTH, visibility.packed->plan, drop));
  if (visibility.packed) return o(kernels::packed_attention(q_BNTH, k_BNTH, v_BNTH, *visibility.packed));
  const auto y_BNTH = at::scaled_dot_product_attention(q_BNTH, k_BNTH, v_BNTH, visibility.mask);
  return o(y_BNTH.transpose(1, 2).flatten(2));
}

std::vector<at::Tensor> EncoderLayer::tensors() const {
  std::vector<at::Tensor> all = {attention_norm.weight, attention_norm.bias, mlp_norm.weight, mlp_norm.bias};
  for (const auto* linear : {&q, &k, &v, &o, &widen, &narrow}) linear->append_tensors(all);
  return all;
}

}  // namespace tongueforge::nn
