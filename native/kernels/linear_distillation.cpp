#include "kernels/linear_distillation.h"

#include "core/error.h"
#include "kernels/autograd.h"
#include "kernels/cuda/glue.h"
#include "kernels/dispatch.h"
#include "kernels/distillation_rows.h"
#include "kernels/head_chunks.h"
#include "kernels/reference.h"

namespace tongueforge::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Each sum in float64, rounded once: at alpha = 0 this is the sum of the losses alone.
at::Tensor mixed_sum(const at::Tensor& nll, const at::Tensor& divergence,
                     const DistillationOptions& options) {
  const auto hard = nll.sum(at::kDouble).mul(1 - options.alpha);
  const auto soft = divergence.sum(at::kDouble).mul(options.alpha * options.divergence_weight());
  return hard.add(soft).to(nll.scalar_type());
}

void check_heads(const HeadInputs& student, const HeadInputs& teacher) {
  TORCH_CHECK(student.hidden.size(0) == teacher.hidden.size(0),
              "expected as many rows of a teacher as of its "
              "student, ",
              student.hidden.size(0), ", received ", teacher.hidden.size(0));
  TORCH_CHECK(student.weight.size(0) == teacher.weight.size(0),
              "expected a teacher of the vocabulary of its "
              "student, ",
              student.weight.size(0), ", received ", teacher.weight.size(0));
}

// -> {total, nll, divergence}; the last two have no gradient
struct LinearDistillation : torch::autograd::Function<LinearDistillation> {
  static variable_list forward(AutogradContext* context, const at::Tensor& hidden, const at::Tensor& weight,
                               const std::optional<at::Tensor>& bias, const HeadInputs& teacher,
                               const at::Tensor& targets, const DistillationOptions& options,
                               const HeadWanted& wanted) {
    const auto statistics = [&] { return row_statistics(hidden); };
    const DistillationRows all = {statistics(), statistics(), statistics(), statistics(), statistics()};
    HeadGradients gradients(hidden, weight, wanted);
    const HeadInputs student = {hidden, weight, bias.value_or(at::Tensor())};
    const int64_t size = chunk_rows(options.chunks, student);
    HeadLogits student_head(student, size), teacher_head(teacher, size);
    for_chunks(hidden.size(0), size, options.chunks.job, [&](int64_t begin, int64_t m) {
      auto logits = student_head.of(begin, m);
      const auto of_teacher = teacher_head.of(begin, m);
      const auto here = targets.narrow(0, begin, m);
      auto part = all.narrow(begin, m);
      distillation_losses(logits, of_teacher, here, options, part);
      if (!wanted.any()) return;
      distillation_gradients_(logits, of_teacher, here, options, part);
      gradients.add(begin, logits, student_head.hidden(begin, m), weight);
    });
    gradients.keep(context, weight);
    const auto nll = sum_of(all.nll), divergence = sum_of(all.divergence);
    context->mark_non_differentiable({nll, divergence});
    return {mixed_sum(all.nll, all.divergence, options), nll, divergence};
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto of_head = HeadGradients::hand_out(context, grads[0]);
    return {of_head[0], of_head[1], of_head[2], {}, {}, {}, {}};
  }
};

DistillationParts plain_distillation(const HeadInputs& student, const HeadInputs& teacher,
                                     const at::Tensor& targets, const DistillationOptions& options) {
  const auto [nll, divergence] = reference::distillation_losses(student, teacher, targets, options);
  return {mixed_sum(nll, divergence, options), sum_of(nll).detach(), sum_of(divergence).detach()};
}

HeadInputs detached(const HeadInputs& head) {
  return {head.hidden.detach(), head.weight.detach(), head.bias.defined() ? head.bias.detach() : head.bias};
}

bool has_own_code(const HeadInputs& student, const HeadInputs& teacher) {
  const auto is_double = [](const HeadInputs& head) { return head.hidden.scalar_type() == at::kDouble; };
  const auto has_code = [](const HeadInputs& head) {
    return has_fused_code(head.hidden, head.weight) || cuda::has_twin(head.hidden, head.weight);
  };
  return has_code(student) && has_code(teacher) && is_double(student) == is_double(teacher) &&
         student.hidden.device() == teacher.hidden.device();
}

}  // namespace

Divergence divergence_from_name(const std::string& name) {
  if (name == "forward") return Divergence::forward;
  if (name == "reverse") return Divergence::reverse;
  throw Error("ERR_USAGE", tongueforge::str("Expected a divergence forward or reverse, received ", name));
}

DistillationParts linear_distillation(const HeadInputs& student, const HeadInputs& teacher,
                                      const at::Tensor& any_targets, const DistillationOptions& options) {
  check_heads(student, teacher);
  const auto targets = checked_targets(any_targets, student);
  if (!has_own_code(student, teacher)) return plain_distillation(student, teacher, targets, options);
  const auto parts = LinearDistillation::apply(student.hidden, student.weight, maybe(student.bias),
                                               detached(teacher), targets, options, HeadWanted::now(student));
  return {parts[0], parts[1], parts[2]};
}

}  // namespace tongueforge::kernels
