#include "kernels/linear_cross_entropy.h"

#include "kernels/dispatch.h"
#include "kernels/matrix_product.h"
#include "kernels/reference.h"
#include "kernels/softmax_rows.h"

namespace tongueforge::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kChunkBytes = int64_t{64} << 20;
constexpr int64_t kLeastChunkRows = 256;  // matrix products of fewer rows run below the machine's rate

// Rows of logits that exist at once, where the caller does not say.
int64_t fast_chunk_rows(int64_t vocab, int64_t element_size) {
  return std::max(kLeastChunkRows, kChunkBytes / std::max<int64_t>(vocab * element_size, 1));
}

/// Walks over the rows in chunks, with one buffer for the logits of them all.
class Chunks {
 public:
  Chunks(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
         const ChunkOptions& options, const at::Tensor& maybe_bias = {})
      : hidden_(hidden.contiguous()),
        weight_(weight),
        bias_(maybe_bias),
        targets_(targets.contiguous()),
        job_(options.job) {
    const int64_t rows = hidden.size(0), vocab = weight.size(0);
    TORCH_CHECK(targets.dim() == 1 && targets.size(0) == rows && targets.scalar_type() == at::kLong,
                "expected one int64 target for each of ", rows, " rows");
    TORCH_CHECK(rows == 0 || targets.max().item<int64_t>() < vocab, "a target lies outside the vocabulary");
    rows_ = std::min(rows, options.rows > 0 ? options.rows : fast_chunk_rows(vocab, hidden.element_size()));
    logits_ = at::empty({rows_, vocab}, hidden.options());
  }

  /// body(begin, rows, hidden (m,D), targets (m), logits (m,V))
  template <class Body>
  void each(const Body& body) {
    for (int64_t begin = 0; begin < hidden_.size(0); begin += rows_) {
      if (job_) job_->check();
      const int64_t m = std::min(rows_, hidden_.size(0) - begin);
      const auto hidden = hidden_.narrow(0, begin, m);
      auto logits = logits_.narrow(0, 0, m);
      matrix_product_into(logits, hidden, weight_.t());
      if (bias_.defined()) logits.add_(bias_);
      body(begin, m, hidden, targets_.narrow(0, begin, m), logits);
    }
  }

 private:
  at::Tensor hidden_, weight_, bias_, targets_, logits_;
  const Job* job_;
  int64_t rows_ = 0;
};

/// Of which inputs a gradient is wanted.
struct Wanted {
  bool hidden, weight, bias = false;

  bool any() const { return hidden || weight || bias; }
};

/// Gradients of what makes the logits, filled chunk by chunk; an undefined one is not wanted.
struct Gradients {
  at::Tensor hidden;  // (M,D)
  at::Tensor weight;  // (V,D), float32 or wider
  at::Tensor bias;    // (V), as the weight

  Gradients(const at::Tensor& h, const at::Tensor& w, const Wanted& wanted) {
    const auto wide = w.options().dtype(wide_dtype(w));
    if (wanted.hidden) hidden = at::empty(h.sizes(), h.options());
    if (wanted.weight) weight = at::zeros(w.sizes(), wide);
    if (wanted.bias) bias = at::zeros({w.size(0)}, wide);
  }

  void add(int64_t begin, const at::Tensor& grad_logits, const at::Tensor& h, const at::Tensor& w) {
    if (hidden.defined()) { matrix_product_into(hidden.narrow(0, begin, h.size(0)), grad_logits, w); }
    if (bias.defined()) bias.add_(grad_logits.sum(0, /*keepdim=*/false, bias.scalar_type()));
    if (!weight.defined()) return;
    if (weight.scalar_type() == h.scalar_type()) {
      matrix_product_into(weight, grad_logits.t(), h, /*beta=*/1);
    } else {
      weight.add_(matrix_product(grad_logits.t(), h));
    }
  }
};

at::Tensor statistics(const at::Tensor& hidden) {
  return at::empty({hidden.size(0)}, hidden.options().dtype(wide_dtype(hidden)));
}

// Summed in float64, rounded once.
at::Tensor sum_of(const at::Tensor& losses) { return losses.sum(at::kDouble).to(losses.scalar_type()); }

// log_sums (M) -> (M): what z-loss adds to each row that has a target.
at::Tensor z_losses(const at::Tensor& log_sums, const at::Tensor& targets, double z_loss) {
  return log_sums.square().mul_(z_loss).masked_fill_(targets.lt(0), 0);
}

// -> {the sum, and the sum without z-loss, which has no gradient}
struct LinearCrossEntropy : torch::autograd::Function<LinearCrossEntropy> {
  static variable_list forward(AutogradContext* context, const at::Tensor& hidden, const at::Tensor& weight,
                               const std::optional<at::Tensor>& bias, const at::Tensor& targets,
                               const CrossEntropyOptions& options, const Wanted& wanted) {
    auto log_sums = statistics(hidden), losses = statistics(hidden);
    const auto row_weights = options.row_weights.defined()
                                 ? options.row_weights.to(losses.scalar_type()).contiguous()
                                 : at::ones_like(losses);
    Gradients gradients(hidden, weight, wanted);
    Chunks chunks(hidden, weight, targets, options.chunks, bias.value_or(at::Tensor()));
    chunks.each([&](int64_t begin, int64_t m, const at::Tensor& h, const at::Tensor& t, at::Tensor& logits) {
      auto sums = log_sums.narrow(0, begin, m), here = losses.narrow(0, begin, m);
      softmax_losses(logits, t, sums, here);
      if (!wanted.any()) return;
      softmax_gradients_(logits, t, options.z_loss, sums, row_weights.narrow(0, begin, m));
      gradients.add(begin, logits, h, weight);
    });
    // Not as saved variables: backward takes them out, and with them the only reference.
    context->saved_data["hidden"] = gradients.hidden;
    context->saved_data["weight"] = gradients.weight;
    context->saved_data["bias"] = gradients.bias;
    context->saved_data["dtype"] = static_cast<int64_t>(weight.scalar_type());
    const auto nll = sum_of(losses.mul_(row_weights));
    context->mark_non_differentiable({nll});
    if (options.z_loss == 0) return {nll.clone(), nll};
    const auto z = z_losses(log_sums, targets, options.z_loss).mul_(row_weights);
    return {sum_of(losses.add_(z)), nll};
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto scale = grads[0].item<double>();
    const auto take = [&](const char* name) {
      auto it = context->saved_data.find(name);
      TORCH_CHECK(it != context->saved_data.end(), "linear_cross_entropy hands out its gradients once");
      auto gradient = it->second.toTensor();
      context->saved_data.erase(it);
      return gradient.defined() && scale != 1 ? gradient.mul_(scale) : gradient;
    };
    auto hidden = take("hidden"), weight = take("weight"), bias = take("bias");
    const auto dtype = static_cast<at::ScalarType>(context->saved_data["dtype"].toInt());
    const auto rounded = [&](const at::Tensor& x) { return x.defined() ? x.to(dtype) : x; };
    return {hidden, rounded(weight), rounded(bias), {}, {}, {}};
  }
};

struct TokenLogProbs : torch::autograd::Function<TokenLogProbs> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden, const at::Tensor& weight,
                            const at::Tensor& targets, const ChunkOptions& options) {
    auto log_sums = statistics(hidden), losses = statistics(hidden);
    Chunks chunks(hidden, weight, targets, options);
    chunks.each([&](int64_t begin, int64_t m, const at::Tensor&, const at::Tensor& t, at::Tensor& logits) {
      auto sums = log_sums.narrow(0, begin, m), here = losses.narrow(0, begin, m);
      softmax_losses(logits, t, sums, here);
    });
    context->save_for_backward({hidden, weight, targets, log_sums});
    context->saved_data["rows"] = options.rows;
    return losses.neg_();
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto &hidden = saved[0], &weight = saved[1], &targets = saved[2], &log_sums = saved[3];
    const auto scales = grads[0].neg().contiguous();
    Gradients gradients(hidden, weight, {context->needs_input_grad(0), context->needs_input_grad(1)});
    Chunks chunks(hidden, weight, targets, {.rows = context->saved_data["rows"].toInt()});
    chunks.each([&](int64_t begin, int64_t m, const at::Tensor& h, const at::Tensor& t, at::Tensor& logits) {
      softmax_gradients_(logits, t, /*z_loss=*/0, log_sums.narrow(0, begin, m), scales.narrow(0, begin, m));
      gradients.add(begin, logits, h, weight);
    });
    if (gradients.weight.defined()) gradients.weight = gradients.weight.to(weight.scalar_type());
    return {gradients.hidden, gradients.weight, {}, {}};
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
  if (!has_fused_code(hidden, weight)) {
    const auto sum = [&](double z_loss) {
      const auto losses = reference::token_losses(hidden, weight, targets, z_loss, bias);
      return (options.row_weights.defined() ? losses.mul(options.row_weights) : losses).sum();
    };
    const auto total = sum(options.z_loss);
    const at::NoGradGuard no_grad;
    return {total, options.z_loss == 0 ? total.detach() : sum(0)};
  }
  const bool recording = at::GradMode::is_enabled();
  const Wanted wanted = {recording && hidden.requires_grad(), recording && weight.requires_grad(),
                         recording && bias.defined() && bias.requires_grad()};
  const auto parts = LinearCrossEntropy::apply(
      hidden, weight, bias.defined() ? std::optional(bias) : std::nullopt, targets, options, wanted);
  return {parts[0], parts[1]};
}

at::Tensor token_log_probs(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                           const ChunkOptions& chunks) {
  if (!has_fused_code(hidden, weight)) return reference::token_log_probs(hidden, weight, targets);
  return TokenLogProbs::apply(hidden, weight, targets, chunks);
}

}  // namespace tongueforge::kernels
