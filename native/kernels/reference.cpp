#include "kernels/reference.h"

#include "kernels/dispatch.h"

namespace tongueforge::kernels::reference {

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const auto wide = x.to(wide_dtype(x));
  const auto scale = at::rsqrt(wide.square().mean(-1, /*keepdim=*/true).add(eps));
  return wide.mul(scale).to(x.scalar_type()).mul(weight);
}

std::pair<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x, const at::Tensor& branch,
                                               const at::Tensor& weight, double eps) {
  const auto sum = x.add(branch);
  return {sum, rms_norm(sum, weight, eps)};
}

at::Tensor apply_rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const auto halves = x.chunk(2, -1);
  const auto turned = at::cat({halves[1].neg(), halves[0]}, -1);
  return x.mul(cos).add(turned.mul(sin));
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) { return at::silu(gate).mul(up); }

at::Tensor token_log_probs(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets) {
  return token_losses(hidden, weight, targets, /*z_loss=*/0).neg();
}

at::Tensor token_losses(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                        double z_loss, const at::Tensor& maybe_bias) {
  const auto rows = targets.ge(0).nonzero().squeeze(1);
  auto logits = at::linear(hidden.index_select(0, rows), weight);
  if (maybe_bias.defined()) logits = logits.add(maybe_bias);
  const auto wide = logits.to(wide_dtype(logits));
  const auto log_sums = wide.logsumexp(1);
  const auto picked = wide.gather(1, targets.index_select(0, rows).unsqueeze(1)).squeeze(1);
  const auto losses = log_sums.sub(picked).add(log_sums.square(), z_loss);
  return at::zeros({targets.size(0)}, losses.options()).index_copy(0, rows, losses);
}

}  // namespace tongueforge::kernels::reference
