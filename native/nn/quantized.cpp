#include "nn/quantized.h"

#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::nn {
namespace {

constexpr int64_t kWord = 32;  // bits

int64_t words_for(int64_t codes, int64_t bits) { return (codes * bits + kWord - 1) / kWord; }

// (R,C) int8 -> (R,W) int32
at::Tensor pack_rows(const at::Tensor& codes_RC, int64_t bits) {
  const int64_t rows = codes_RC.size(0), columns = codes_RC.size(1), words = words_for(columns, bits);
  const auto codes = codes_RC.contiguous();
  const auto packed = at::zeros({rows, words}, at::kInt);
  const int8_t* from = codes.const_data_ptr<int8_t>();
  auto* const to = reinterpret_cast<uint32_t*>(packed.mutable_data_ptr<int32_t>());
  const int64_t per_word = kWord / bits;
  const int offset = 1 << (bits - 1);
  for (int64_t row = 0; row < rows; row++)
    for (int64_t column = 0; column < columns; column++)
      to[row * words + column / per_word] |= static_cast<uint32_t>(*from++ + offset)
                                             << (column % per_word * bits);
  return packed;
}

// (R,W) int32 -> (R,C) int8
at::Tensor unpack_rows(const at::Tensor& packed_RW, int64_t columns, int64_t bits) {
  const int64_t rows = packed_RW.size(0), words = packed_RW.size(1), per_word = kWord / bits;
  const auto packed = packed_RW.contiguous();
  const auto codes = at::empty({rows, columns}, at::kChar);
  const auto* const from = reinterpret_cast<const uint32_t*>(packed.const_data_ptr<int32_t>());
  int8_t* to = codes.mutable_data_ptr<int8_t>();
  const int offset = 1 << (bits - 1);
  const uint32_t mask = (1u << bits) - 1;
  for (int64_t row = 0; row < rows; row++)
    for (int64_t column = 0; column < columns; column++) {
      const uint32_t word = from[row * words + column / per_word];
      *to++ = static_cast<int8_t>(static_cast<int>(word >> (column % per_word * bits) & mask) - offset);
    }
  return codes;
}

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
  const int64_t outputs = codes_OI.size(0), groups = scales_OG.size(1);
  auto steps = codes_OI.to(scales_OG.scalar_type()).view({outputs, groups, -1});
  if (maybe_zeros_OG.defined()) steps.sub_(maybe_zeros_OG.unsqueeze(2));
  return steps.mul_(scales_OG.unsqueeze(2)).view(codes_OI.sizes());
}

int64_t Quantized::bytes() const {
  const auto zeros = maybe_zeros_OG.defined() ? maybe_zeros_OG.nbytes() : 0;
  return static_cast<int64_t>(codes_OI.nbytes() + scales_OG.nbytes() + zeros);
}

std::vector<std::pair<std::string, at::Tensor>> packed(const Quantized& weight) {
  std::vector<std::pair<std::string, at::Tensor>> all = {
      {"weight_packed", pack_rows(weight.codes_OI, weight.bits)},
      {"weight_scale", weight.scales_OG},
      {"weight_shape", at::tensor(weight.codes_OI.sizes(), at::kLong)}};
  if (weight.maybe_zeros_OG.defined())
    all.emplace_back("weight_zero_point", pack_rows(weight.maybe_zeros_OG.t(), weight.bits).t().contiguous());
  return all;
}

Quantized unpacked(const PackedTensors& tensors, const std::string& name) {
  const auto shape = tensors.weight_shape.to(at::kLong);
  if (shape.numel() != 2) throw_unfit(name, str("a weight_shape of ", shape.numel(), " numbers"));
  const int64_t outputs = shape.flatten()[0].item<int64_t>(), inputs = shape.flatten()[1].item<int64_t>();
  const auto& scales = tensors.weight_scale;
  Quantized weight;
  weight.bits = bits_of(tensors.weight_packed, outputs, inputs, name);
  if (scales.dim() != 2 || scales.size(0) != outputs || scales.size(1) < 1 || inputs % scales.size(1) != 0 ||
      !scales.is_floating_point())
    throw_unfit(name, str("scales of shape ", c10::str(scales.sizes()), " for a weight of [", outputs, ", ",
                          inputs, "]"));
  weight.codes_OI = unpack_rows(tensors.weight_packed, inputs, weight.bits);
  weight.scales_OG = scales;
  if (const auto& zero = tensors.maybe_zero_point; zero.defined()) {
    if (zero.scalar_type() != at::kInt || zero.dim() != 2 ||
        zero.size(0) != words_for(outputs, weight.bits) || zero.size(1) != scales.size(1))
      throw_unfit(name, str("zero points of shape ", c10::str(zero.sizes())));
    weight.maybe_zeros_OG = unpack_rows(zero.t(), outputs, weight.bits).t().contiguous();
  }
  return weight;
}

}  // namespace tongueforge::nn
