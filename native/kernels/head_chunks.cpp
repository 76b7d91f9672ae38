#include "kernels/head_chunks.h"

#include "kernels/dispatch.h"
#include "kernels/matrix_product.h"

namespace tongueforge::kernels {
namespace {

constexpr int64_t kChunkBytes = int64_t{64} << 20;
constexpr int64_t kLeastChunkRows = 256;  // matrix products of fewer rows run below the machine's rate

}  // namespace

int64_t chunk_rows(const ChunkOptions& options, int64_t rows, int64_t vocab, int64_t element_size) {
  if (options.rows > 0) return std::min(rows, options.rows);
  return std::min(rows, std::max(kLeastChunkRows, kChunkBytes / std::max<int64_t>(vocab * element_size, 1)));
}

void check_targets(const at::Tensor& targets, int64_t rows, int64_t vocab) {
  TORCH_CHECK(targets.dim() == 1 && targets.size(0) == rows && targets.scalar_type() == at::kLong,
              "expected one int64 target for each of ", rows, " rows");
  TORCH_CHECK(rows == 0 || targets.max().item<int64_t>() < vocab, "a target lies outside the vocabulary");
}

HeadLogits::HeadLogits(const HeadInputs& head, int64_t size)
    : hidden_(head.hidden.contiguous()),
      weight_(head.weight),
      bias_(head.bias),
      logits_(at::empty({size, head.weight.size(0)}, head.hidden.options())) {}

at::Tensor HeadLogits::of(int64_t begin, int64_t m) {
  auto logits = logits_.narrow(0, 0, m);
  matrix_product_into(logits, hidden(begin, m), weight_.t());
  if (bias_.defined()) logits.add_(bias_);
  return logits;
}

HeadWanted HeadWanted::now(const HeadInputs& head) {
  const auto recorded = [recording = at::GradMode::is_enabled()](const at::Tensor& input) {
    return recording && input.defined() && input.requires_grad();
  };
  return {recorded(head.hidden), recorded(head.weight), recorded(head.bias)};
}

HeadGradients::HeadGradients(const at::Tensor& hidden, const at::Tensor& weight, const HeadWanted& wanted) {
  const auto wide = weight.options().dtype(wide_dtype(weight));
  if (wanted.hidden) hidden_ = at::empty(hidden.sizes(), hidden.options());
  if (wanted.weight) weight_ = at::zeros(weight.sizes(), wide);
  if (wanted.bias) bias_ = at::zeros({weight.size(0)}, wide);
}

void HeadGradients::add(int64_t begin, const at::Tensor& grad_logits, const at::Tensor& hidden,
                        const at::Tensor& weight) {
  if (hidden_.defined()) {
    matrix_product_into(hidden_.narrow(0, begin, hidden.size(0)), grad_logits, weight);
  }
  if (bias_.defined()) bias_.add_(grad_logits.sum(0, /*keepdim=*/false, bias_.scalar_type()));
  if (!weight_.defined()) return;
  if (weight_.scalar_type() == hidden.scalar_type()) {
    matrix_product_into(weight_, grad_logits.t(), hidden, /*beta=*/1);
  } else {
    weight_.add_(matrix_product(grad_logits.t(), hidden));
  }
}

torch::autograd::variable_list HeadGradients::rounded(at::ScalarType dtype) const {
  const auto to = [dtype](const at::Tensor& wide) { return wide.defined() ? wide.to(dtype) : wide; };
  return {hidden_, to(weight_), to(bias_)};
}

// Not as saved variables: backward takes them out, and with them the only reference.
void HeadGradients::keep(torch::autograd::AutogradContext* context, const at::Tensor& weight) const {
  context->saved_data["hidden"] = hidden_;
  context->saved_data["weight"] = weight_;
  context->saved_data["bias"] = bias_;
  context->saved_data["dtype"] = static_cast<int64_t>(weight.scalar_type());
}

torch::autograd::variable_list HeadGradients::hand_out(torch::autograd::AutogradContext* context,
                                                       double scale) {
  const auto take = [&](const char* name) {
    auto it = context->saved_data.find(name);
    TORCH_CHECK(it != context->saved_data.end(), "a loss of the head hands out its gradients once");
    auto gradient = it->second.toTensor();
    context->saved_data.erase(it);
    return gradient.defined() && scale != 1 ? gradient.mul_(scale) : gradient;
  };
  HeadGradients waiting;
  waiting.hidden_ = take("hidden");
  waiting.weight_ = take("weight");
  waiting.bias_ = take("bias");
  return waiting.rounded(static_cast<at::ScalarType>(context->saved_data["dtype"].toInt()));
}

at::Tensor row_statistics(const at::Tensor& hidden) {
  return at::empty({hidden.size(0)}, hidden.options().dtype(wide_dtype(hidden)));
}

}  // namespace tongueforge::kernels
