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

std::pair<at::Tensor, at::Tensor> distillation_losses(const HeadInputs& student, const HeadInputs& teacher,
                                                      const at::Tensor& targets,
                                                      const DistillationOptions& options) {
  const auto dtype = wide_dtype(student.hidden);
  const auto log_softmax = [&](const HeadInputs& head) {
    auto logits = at::linear(head.hidden, head.weight);
    if (head.bias.defined()) logits = logits.add(head.bias);
    return logits.to(dtype).div(options.temperature).log_softmax(1);
  };
  const auto log_q = log_softmax(student), log_p = log_softmax(teacher).detach();
  const auto terms = options.divergence == Divergence::forward ? log_p.exp().mul(log_p.sub(log_q))
                                                               : log_q.exp().mul(log_q.sub(log_p));
  return {token_losses(student.hidden, student.weight, targets, /*z_loss=*/0, student.bias),
          terms.sum(1).masked_fill(targets.lt(0), 0)};
}

at::Tensor hidden_match(const at::Tensor& student, const at::Tensor& teacher, double cosine) {
  const auto dtype = wide_dtype(student);
  const auto s = student.to(dtype), t = teacher.detach().to(dtype);
  return s.sub(t).abs().mean(1).sub(at::log_sigmoid(at::cosine_similarity(s, t, 1)), cosine);
}

void adafactor_(const AdafactorState& state, const AdafactorCoefficients& c) {
  const auto& [parameter, gradient, row, column, first] = state;
  const auto wide = gradient.to(at::kFloat);
  const auto squares = wide.square().add_(c.eps);
  const auto average = [&](const at::Tensor& moment, const at::Tensor& means) {
    moment.mul_(c.beta2).add_(means, 1 - c.beta2);
  };
  at::Tensor update;
  if (row.defined()) {
    average(row, squares.mean(-1));
    average(column, squares.mean(-2));
    const auto rows = row.div(row.mean(-1, /*keepdim=*/true)).rsqrt_().unsqueeze(-1);
    update = wide.mul(rows).mul_(column.rsqrt().unsqueeze(-2));
  } else {
    average(column, squares);
    update = wide.mul(column.rsqrt());
  }
  const auto rms = update.square().mean().sqrt_();
  update.mul_(rms.div_(c.clip_threshold).clamp_min_(1).reciprocal_().mul_(c.lr));
  if (first.defined()) update = first.mul_(c.beta1).add_(update, 1 - c.beta1);
  parameter.mul_(1 - c.lr * c.weight_decay).sub_(update);
}

}  // namespace tongueforge::kernels::reference
