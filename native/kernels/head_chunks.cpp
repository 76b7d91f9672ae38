#include "kernels/head_chunks.h"

#include "kernels/dispatch.h"
#include "kernels/matrix_product.h"

namespace tongueforge::kernels {
namespace {

constexpr int64_t kChunkBytes = int64_t{64} << 20;
constexpr int64_t kLeastChunkRows = 256;  // matrix products of fewer rows run below the machine's rate

// On a GPU each chunk also reads and writes the weight's gradient once, (V,D) in float32: as long as its
// product takes many times that, it does not matter. 4096 rows of 128 k tokens.
constexpr int64_t kCudaChunkBytes = int64_t{1} << 30;
constexpr int64_t kLeastCudaChunkRows = 2048;
constexpr int64_t kTileRows = 128;  // of a matrix product

int64_t divided_up(int64_t n, int64_t by) { return (n + by - 1) / by; }

// Equal chunks: a small last one would take as long as it is of a tile.
int64_t cuda_chunk_rows(int64_t rows, int64_t row_bytes) {
  const int64_t most = std::max(kLeastCudaChunkRows, kCudaChunkBytes / std::max<int64_t>(row_bytes, 1));
  const int64_t chunks = std::max<int64_t>(1, divided_up(rows, most));
  return std::min(rows, divided_up(divided_up(rows, chunks), kTileRows) * kTileRows);
}

// (size,V); on CUDA every row begins at 16 bytes, as fast products and kernels need it.
at::Tensor logits_buffer(int64_t size, int64_t vocab, const at::Tensor& hidden) {
  constexpr int64_t kPerAccess = 8;
  if (!hidden.is_cuda()) return at::empty({size, vocab}, hidden.options());
  return at::empty({size, divided_up(vocab, kPerAccess) * kPerAccess}, hidden.options()).narrow(1, 0, vocab);
}

// wide * scale in `dtype`, on CUDA in one pass.
at::Tensor scaled_to(at::ScalarType dtype, const at::Tensor& wide, const at::Tensor& scale) {
  if (!wide.defined() || !scale.is_cuda() || dtype == wide.scalar_type()) {
    const auto scaled = scale_(wide, scale);
    return scaled.defined() ? scaled.to(dtype) : scaled;
  }
  auto rounded = at::empty(wide.sizes(), wide.options().dtype(dtype));
  return at::mul_out(rounded, wide, scale.reshape({1}));
}

}  // namespace

int64_t chunk_rows(const ChunkOptions& options, const HeadInputs& head) {
  const int64_t rows = head.hidden.size(0);
  const auto row_bytes = static_cast<int64_t>(head.weight.size(0) * head.hidden.element_size());
  if (options.rows > 0) return std::min(rows, options.rows);
  if (head.hidden.is_cuda()) return cuda_chunk_rows(rows, row_bytes);
  return std::min(rows, std::max(kLeastChunkRows, kChunkBytes / std::max<int64_t>(row_bytes, 1)));
}

at::Tensor checked_targets(const at::Tensor& targets, const HeadInputs& head) {
  const int64_t rows = head.hidden.size(0);
  TORCH_CHECK(targets.dim() == 1 && targets.size(0) == rows && targets.scalar_type() == at::kLong,
              "expected one int64 target for each of ", rows, " rows");
  TORCH_CHECK(rows == 0 || !targets.is_cpu() || targets.max().item<int64_t>() < head.weight.size(0),
              "a target lies outside the vocabulary");
  return targets.contiguous().to(head.hidden.device());
}

// A tensor of one dimension, unlike a scalar, has a say in the dtype that is computed in: float32, where mul_
// of a number rounds that to the gradient's 16 bits first.
at::Tensor scale_(at::Tensor gradient, const at::Tensor& scale) {
  if (!gradient.defined() || (scale.is_cpu() && scale.item<double>() == 1)) return gradient;
  return gradient.mul_(scale.reshape({1}));
}

HeadLogits::HeadLogits(const HeadInputs& head, int64_t size)
    : hidden_(head.hidden.contiguous()),
      weight_(head.weight),
      bias_(head.bias),
      logits_(logits_buffer(size, head.weight.size(0), head.hidden)) {}

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
  // Where no chunk comes, nothing writes it.
  const bool is_written = weight.is_cuda() && hidden.size(0) > 0;
  if (wanted.weight) weight_ = is_written ? at::empty(weight.sizes(), wide) : at::zeros(weight.sizes(), wide);
  if (wanted.bias) bias_ = at::zeros({weight.size(0)}, wide);
}

void HeadGradients::add(int64_t begin, const at::Tensor& grad_logits, const at::Tensor& hidden,
                        const at::Tensor& weight) {
  if (hidden_.defined()) {
    matrix_product_into(hidden_.narrow(0, begin, hidden.size(0)), grad_logits, weight);
  }
  if (bias_.defined()) bias_.add_(grad_logits.sum(0, /*keepdim=*/false, bias_.scalar_type()));
  if (!weight_.defined()) return;
  const bool is_first = weight_.is_cuda() && begin == 0;
  matrix_product_into(weight_, grad_logits.t(), hidden, /*beta=*/is_first ? 0 : 1);
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
                                                       const at::Tensor& scale) {
  const auto take = [&](const char* name) {
    auto it = context->saved_data.find(name);
    TORCH_CHECK(it != context->saved_data.end(), "a loss of the head hands out its gradients once");
    auto gradient = it->second.toTensor();
    context->saved_data.erase(it);
    return gradient;
  };
  const auto dtype = static_cast<at::ScalarType>(context->saved_data["dtype"].toInt());
  const auto hidden = scale_(take("hidden"), scale);
  const auto weight = scaled_to(dtype, take("weight"), scale);
  return {hidden, weight, scaled_to(dtype, take("bias"), scale)};
}

at::Tensor row_statistics(const at::Tensor& hidden) {
  return at::empty({hidden.size(0)}, hidden.options().dtype(wide_dtype(hidden)));
}

}  // namespace tongueforge::kernels
