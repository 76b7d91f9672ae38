#include "kernels/linear_cross_entropy.h"

#include "kernels/autograd.h"
#include "kernels/cuda/glue.h"
#include "kernels/dispatch.h"
#include "kernels/head_chunks.h"
#include "kernels/reference.h"
#include "kernels/softmax_rows.h"

namespace tongueforge::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Rows `begin` and on.
struct HeadChunk {
  int64_t begin;
  at::Tensor hidden, targets;  // (m,D), (m)

  at::Tensor of(const at::Tensor& rows) const { return rows.narrow(0, begin, hidden.size(0)); }
};

/// body(chunk, logits (m,V))
template <class Body>
void for_head_chunks(const HeadInputs& head, const at::Tensor& targets, const ChunkOptions& options,
                     const Body& body) {
  const auto dense_targets = checked_targets(targets, head);
  const int64_t size = chunk_rows(options, head);
  HeadLogits all(head, size);
  for_chunks(head.hidden.size(0), size, options.job, [&](int64_t begin, int64_t m) {
    auto logits = all.of(begin, m);
    body(HeadChunk{begin, all.hidden(begin, m), dense_targets.narrow(0, begin, m)}, logits);
  });
}

// log_sums (M) -> (M): what z-loss adds to each row that has a target.
at::Tensor z_losses(const at::Tensor& log_sums, const at::Tensor& targets, double z_loss) {
  return log_sums.square().mul_(z_loss).masked_fill_(targets.lt(0).to(log_sums.device()), 0);
}

bool has_own_code(const at::Tensor& hidden, const at::Tensor& weight) {
  return has_fused_code(hidden, weight) || cuda::has_twin(hidden, weight);
}

// -> {the sum, and the sum without z-loss, which has no gradient}
struct LinearCrossEntropy : torch::autograd::Function<LinearCrossEntropy> {
  static variable_list forward(AutogradContext* context, const at::Tensor& hidden, const at::Tensor& weight,
                               const std::optional<at::Tensor>& bias, const at::Tensor& targets,
                               const CrossEntropyOptions& options, const HeadWanted& wanted) {
    auto log_sums = row_statistics(hidden), losses = row_statistics(hidden);
    const auto row_weights = options.row_weights.defined()
                                 ? options.row_weights.to(losses.options()).contiguous()
                                 : at::ones_like(losses);
    HeadGradients gradients(hidden, weight, wanted);
    const HeadInputs head = {hidden, weight, bias.value_or(at::Tensor())};
    for_head_chunks(head, targets, options.chunks, [&](const HeadChunk& chunk, at::Tensor& logits) {
      auto sums = chunk.of(log_sums), here = chunk.of(losses);
      softmax_losses(logits, chunk.targets, sums, here);
      if (!wanted.any()) return;
      softmax_gradients_(logits, chunk.targets, options.z_loss, sums, chunk.of(row_weights));
      gradients.add(chunk.begin, logits, chunk.hidden, weight);
    });
    gradients.keep(context, weight);
    const auto nll = sum_of(losses.mul_(row_weights));
    context->mark_non_differentiable({nll});
    if (options.z_loss == 0) return {nll.clone(), nll};
    const auto z = z_losses(log_sums, targets, options.z_loss).mul_(row_weights);
    return {sum_of(losses.add_(z)), nll};
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto of_head = HeadGradients::hand_out(context, grads[0]);
    return {of_head[0], of_head[1], of_head[2], {}, {}, {}};
  }
};

struct TokenLogProbs : torch::autograd::Function<TokenLogProbs> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden, const at::Tensor& weight,
                            const at::Tensor& targets, const ChunkOptions& options) {
    auto log_sums = row_statistics(hidden), losses = row_statistics(hidden);
    for_head_chunks({hidden, weight}, targets, options, [&](const HeadChunk& chunk, at::Tensor& logits) {
      auto sums = chunk.of(log_sums), here = chunk.of(losses);
      softmax_losses(logits, chunk.targets, sums, here);
    });
    context->save_for_backward({hidden, weight, targets, log_sums});
    context->saved_data["rows"] = options.rows;
    return losses.neg_();
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto &hidden = saved[0], &weight = saved[1], &targets = saved[2], &log_sums = saved[3];
    const auto scales = grads[0].neg().contiguous();
    HeadGradients gradients(hidden, weight, {context->needs_input_grad(0), context->needs_input_grad(1)});
    const ChunkOptions chunks = {.rows = context->saved_data["rows"].toInt()};
    for_head_chunks({hidden, weight}, targets, chunks, [&](const HeadChunk& chunk, at::Tensor& logits) {
      softmax_gradients_(logits, chunk.targets, /*z_loss=*/0, chunk.of(log_sums), chunk.of(scales));
      gradients.add(chunk.begin, logits, chunk.hidden, weight);
    });
    const auto of_head = gradients.rounded(weight.scalar_type());
    return {of_head[0], of_head[1], {}, {}};
  }
};

}  // namespace

at::Tensor linear_cross_entropy(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                                const CrossEntropyOptions& options) {
  return linear_cross_entropy_parts(hidden, weight, targets, options).total;
}

CrossEntropyParts linear_cross_entropy_parts(const at::Tensor& hidden, const at::Tensor& weight,
                                             const at::Tensor& targets, const CrossEntropyOptions& options) {
  const auto& bias = options.bias;
  if (!has_own_code(hidden, weight)) {
    const auto here = checked_targets(targets, {hidden, weight});
    const auto sum = [&](double z_loss) {
      const auto losses = reference::token_losses(hidden, weight, here, z_loss, bias);
      return (options.row_weights.defined() ? losses.mul(options.row_weights) : losses).sum();
    };
    const auto total = sum(options.z_loss);
    const at::NoGradGuard no_grad;
    return {total, options.z_loss == 0 ? total.detach() : sum(0)};
  }
  const auto parts = LinearCrossEntropy::apply(hidden, weight, maybe(bias), targets, options,
                                               HeadWanted::now({hidden, weight, bias}));
  return {parts[0], parts[1]};
}

at::Tensor token_log_probs(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                           const ChunkOptions& chunks) {
  if (!has_own_code(hidden, weight))
    return reference::token_log_probs(hidden, weight, checked_targets(targets, {hidden, weight}));
  return TokenLogProbs::apply(hidden, weight, targets, chunks);
}

}  // namespace tongueforge::kernels
