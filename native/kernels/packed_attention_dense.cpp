#include "kernels/packed_attention_dense.h"

#include "kernels/aten.h"

namespace tongueforge::kernels {
namespace {

/// (L,L), true where query i sees key j.
at::Tensor window_mask(int64_t length, int64_t window, at::Device device) {
  const auto place = at::arange(length, at::TensorOptions(device).dtype(at::kLong));
  const auto back = place.unsqueeze(1) - place.unsqueeze(0);
  return back.ge(0).logical_and(back.lt(window));
}

/// (L,N,H), (L,K,H) twice -> (L,N,H)
at::Tensor of_document(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const PackedAttentionOptions& options) {
  const int64_t length = q.size(0);
  std::optional<at::Tensor> mask;
  if (options.window > 0 && options.window < length) mask = window_mask(length, options.window, q.device());
  const auto heads = [](const at::Tensor& x) { return x.transpose(0, 1).unsqueeze(0); };  // (1,N,L,H)
  const auto y = at::scaled_dot_product_attention(heads(q), heads(k), heads(v), mask, /*dropout_p=*/0.0,
                                                  options.causal && !mask, /*scale=*/std::nullopt,
                                                  /*enable_gqa=*/q.size(1) != k.size(1));
  return y.squeeze(0).transpose(0, 1);
}

}  // namespace

at::Tensor dense_packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const PackedAttentionOptions& options) {
  TORCH_CHECK(!options.plan->is_fixed,
              "a fixed plan is for the kernel that reads its documents on the device");
  const auto& stretches = options.plan->stretches;
  std::vector<int64_t> lengths;
  for (const auto& stretch : stretches) lengths.push_back(stretch.length);
  const auto parts = [&](const at::Tensor& x) {
    return x.transpose(1, 2).flatten(0, 1).split_with_sizes(lengths, 0);
  };
  const auto of_q = parts(q), of_k = parts(k), of_v = parts(v);
  std::vector<at::Tensor> of_y;
  for (size_t i = 0; i < stretches.size(); i++) {
    if (options.job) options.job->check();
    of_y.push_back(stretches[i].is_padding ? at::zeros_like(of_q[i])
                                           : of_document(of_q[i], of_k[i], of_v[i], options));
  }
  return at::cat(of_y, 0).view({q.size(0), q.size(2), q.size(1) * q.size(3)});
}

}  // namespace tongueforge::kernels
