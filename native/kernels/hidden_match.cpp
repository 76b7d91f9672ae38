#include "kernels/hidden_match.h"

#include "kernels/autograd.h"
#include "kernels/dispatch.h"
#include "kernels/head_chunks.h"

namespace tongueforge::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kLeastLength = 1e-8;  // a shorter vector counts as so long, as in torch

at::Tensor lengths_of(const at::Tensor& rows) {
  return rows.norm(2, {1}, /*keepdim=*/true).clamp_min(kLeastLength);
}

struct HiddenMatch : torch::autograd::Function<HiddenMatch> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& student, const at::Tensor& teacher,
                            double cosine, bool recording) {
    const auto dtype = wide_dtype(student);
    const auto s = student.to(dtype), t = teacher.to(dtype);
    const auto apart = s.sub(t);
    const auto length_M1 = lengths_of(s);
    const auto s_unit = s.div(length_M1), t_unit = t.div(lengths_of(t));
    const auto cos_M1 = s_unit.mul(t_unit).sum(1, /*keepdim=*/true);
    const auto losses_M1 = apart.abs().mean(1, /*keepdim=*/true).sub(at::log_sigmoid(cos_M1), cosine);
    if (recording) {
      // d cos / ds = (t / |t| - cos s / |s|) / |s|;  d(-log sigmoid) / d cos = -sigmoid(-cos)
      const auto pull_M1 = cos_M1.neg().sigmoid().mul(-cosine).div(length_M1);
      const auto of_cosine = t_unit.sub(s_unit.mul(cos_M1)).mul(pull_M1);
      const auto of_distance = apart.sign().div(static_cast<double>(student.size(1)));
      context->saved_data["gradient"] = of_cosine.add(of_distance).to(student.scalar_type());
    }
    return losses_M1.sum(at::kDouble).to(dtype);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto gradient = context->saved_data["gradient"].toTensor();
    return {scale_(gradient.clone(), grads[0]), {}, {}, {}};
  }
};

}  // namespace

at::Tensor hidden_match(const at::Tensor& student, const at::Tensor& teacher, double cosine) {
  TORCH_CHECK(student.dim() == 2 && student.sizes() == teacher.sizes(),
              "expected hidden states of the shape of the student's, ", student.sizes(), ", received ",
              teacher.sizes());
  const bool recording = at::GradMode::is_enabled() && student.requires_grad();
  return HiddenMatch::apply(student, teacher.detach(), cosine, recording);
}

}  // namespace tongueforge::kernels
