#include "nn/quantized_execution.h"

#include "kernels/aten.h"

namespace tongueforge::nn {
namespace {

constexpr int64_t kInputs = 32;   // 8 bits: ATen reads inputs in such steps, and passes over a rest
constexpr int64_t kOutputs = 16;  // 4 bits: of which outputs must be a multiple
constexpr int kTiles = 1;         // ATen wants a number that the CPU does not use

/// Inputs that share a scale in ATen's layout: the most that it has which divide those of ours; 0: none do.
int64_t packed_group(const Quantized& weight) {
  const int64_t group = weight.codes.inputs() / weight.scales_OG.size(1);
  for (const int64_t size : {256, 128, 64, 32})
    if (group % size == 0) return size;
  return 0;
}

// (O,G) scales and zeros -> (G',O,2): the scale of a group, and what is added to its products, - zero * scale
at::Tensor scales_and_zeros(const Quantized& weight, int64_t group) {
  const int64_t repeats = weight.codes.inputs() / weight.scales_OG.size(1) / group;
  const auto& scales = weight.scales_OG;
  const auto added = weight.maybe_zeros_OG.defined()
                         ? -weight.maybe_zeros_OG.to(scales.scalar_type()) * scales
                         : at::zeros_like(scales);
  const auto both_OG2 = at::stack({scales, added}, 2).repeat_interleave(repeats, 1);
  return both_OG2.transpose(0, 1).to(at::kBFloat16).contiguous();
}

}  // namespace

bool has_packed_product(const Quantized& weight) {
  const auto& codes = weight.codes;
  if (codes.bits() == 4) return codes.outputs() % kOutputs == 0 && packed_group(weight) > 0;
  return codes.inputs() % kInputs == 0 && weight.scales_OG.size(1) == 1 && !weight.maybe_zeros_OG.defined();
}

QuantizedExecution::QuantizedExecution(std::shared_ptr<const Quantized> numbers, at::Tensor maybe_weight_OI,
                                       RowUse use)
    : ChosenProduct(numbers->codes.inputs(), use),
      numbers_(std::move(numbers)),
      maybe_weight_OI_(std::move(maybe_weight_OI)) {
  const auto& codes = numbers_->codes;
  if (use.one)
    coded_ = {codes.bits(), codes.inputs(), codes.bits() == 4 ? codes.words() : codes.bytes(),
              numbers_->scales_OG.to(at::kFloat).contiguous(),
              numbers_->maybe_zeros_OG.defined() ? numbers_->maybe_zeros_OG.contiguous() : at::Tensor()};
  if (!use.more) return;
  if (codes.bits() == 4) {
    group_ = packed_group(*numbers_);
    const auto from_zero = numbers_->codes.bytes().to(at::kInt).add_(8);  // ATen's are 0 .. 15, 8 means 0
    packed_ = at::_convert_weight_to_int4pack_for_cpu(from_zero, kTiles);
    scales_ = scales_and_zeros(*numbers_, group_);
  } else {
    packed_ = numbers_->codes.bytes();
    scales_ = numbers_->scales_OG.flatten().to(at::kBFloat16);
  }
}

int64_t QuantizedExecution::bytes() const {
  const auto of = [](const at::Tensor& tensor) {
    return tensor.defined() ? static_cast<int64_t>(tensor.nbytes()) : 0;
  };
  return numbers_->bytes() + (group_ > 0 ? of(packed_) : 0) + of(scales_) + of(coded_.scales_OG);
}

at::Tensor QuantizedExecution::product(const at::Tensor& x, const at::Tensor& maybe_bias) const {
  if (x.numel() == numbers_->codes.inputs()) return kernels::coded_linear(x, coded_, maybe_bias);
  const auto y = product_of_more(x.reshape({-1, x.size(-1)}).contiguous());
  auto sizes = x.sizes().vec();
  sizes.back() = y.size(1);
  return (maybe_bias.defined() ? y + maybe_bias : y).view(sizes);
}

at::Tensor QuantizedExecution::product_of_more(const at::Tensor& x_MI) const {
  return group_ > 0 ? at::_weight_int4pack_mm_for_cpu(x_MI, packed_, group_, scales_)
                    : at::_weight_int8pack_mm(x_MI, packed_, scales_);
}

at::Tensor QuantizedExecution::weight() const {
  return maybe_weight_OI_.defined() ? maybe_weight_OI_ : numbers_->dense().to(at::kBFloat16);
}

std::shared_ptr<const Quantized> quantized_numbers(const Linear& linear) {
  const auto* execution = dynamic_cast<const QuantizedExecution*>(linear.execution.get());
  return execution ? execution->numbers() : nullptr;
}

}  // namespace tongueforge::nn
