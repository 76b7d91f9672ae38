#include "nn/quantized.h"

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::nn {
namespace {

[[noreturn]] void throw_unfit(const std::string& name, const std::string& problem) {
  throw Error("ERR_SHAPE_MISMATCH",
              str("Expected ", name, " packed in 4 or 8 bits a weight, received ", problem),
              "The folder must be in compressed-tensors' layout pack-quantized: save it again as that.",
              {{"tensor", name}});
}

int64_t bits_of(const at::Tensor& packed_OW, int64_t outputs, int64_t inputs, const std::string& name) {
  if (packed_OW.scalar_type() == at::kInt && packed_OW.dim() == 2 && packed_OW.size(0) == outputs)
    for (const int64_t bits : {4, 8})
      if (packed_OW.size(1) == words_for(inputs, bits)) return bits;
  throw_unfit(name, str(c10::toString(packed_OW.scalar_type()), " of shape ", c10::str(packed_OW.sizes()),
                        " for a weight of [", outputs, ", ", inputs, "]"));
}

}  // namespace

at::Tensor Quantized::dense() const {
  const auto codes_OI = codes.bytes();
  auto steps = codes_OI.to(scales_OG.scalar_type()).view({codes.outputs(), scales_OG.size(1), -1});
  if (maybe_zeros_OG.defined()) steps.sub_(maybe_zeros_OG.unsqueeze(2));
  return steps.mul_(scales_OG.unsqueeze(2)).view(codes_OI.sizes());
}

int64_t Quantized::bytes() const {
  const auto zeros = maybe_zeros_OG.defined() ? maybe_zeros_OG.nbytes() : 0;
  return codes.memory() + static_cast<int64_t>(scales_OG.nbytes() + zeros);
}

std::vector<std::pair<std::string, at::Tensor>> packed(const Quantized& weight) {
  const int64_t bits = weight.codes.bits();
  std::vector<std::pair<std::string, at::Tensor>> all = {
      {"weight_packed", weight.codes.words()},
      {"weight_scale", weight.scales_OG},
      {"weight_shape", at::tensor({weight.codes.outputs(), weight.codes.inputs()}, at::kLong)}};
  if (weight.maybe_zeros_OG.defined())
    all.emplace_back("weight_zero_point", pack_rows(weight.maybe_zeros_OG.t(), bits).t().contiguous());
  return all;
}

Quantized unpacked(const PackedTensors& tensors, const std::string& name) {
  const auto shape = tensors.weight_shape.to(at::kLong);
  if (shape.numel() != 2) throw_unfit(name, str("a weight_shape of ", shape.numel(), " numbers"));
  const int64_t outputs = shape.flatten()[0].item<int64_t>(), inputs = shape.flatten()[1].item<int64_t>();
  const auto& scales = tensors.weight_scale;
  const int64_t bits = bits_of(tensors.weight_packed, outputs, inputs, name);
  if (scales.dim() != 2 || scales.size(0) != outputs || scales.size(1) < 1 || inputs % scales.size(1) != 0 ||
      !scales.is_floating_point())
    throw_unfit(name, str("scales of shape ", c10::str(scales.sizes()), " for a weight of [", outputs, ", ",
                          inputs, "]"));
  Quantized weight = {Codes::of_words(tensors.weight_packed, inputs, bits), scales, {}};
  if (const auto& zero = tensors.maybe_zero_point; zero.defined()) {
    if (zero.scalar_type() != at::kInt || zero.dim() != 2 || zero.size(0) != words_for(outputs, bits) ||
        zero.size(1) != scales.size(1))
      throw_unfit(name, str("zero points of shape ", c10::str(zero.sizes())));
    weight.maybe_zeros_OG = unpack_rows(zero.t(), outputs, bits).t().contiguous();
  }
  return weight;
}

}  // namespace tongueforge::nn
