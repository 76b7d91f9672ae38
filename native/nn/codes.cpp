#include "nn/codes.h"

#include "kernels/aten.h"

namespace tongueforge::nn {
namespace {

constexpr int64_t kWord = 32;  // bits

}  // namespace

int64_t words_for(int64_t codes, int64_t bits) { return (codes * bits + kWord - 1) / kWord; }

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

at::Tensor unpack_rows(const at::Tensor& words_RW, int64_t columns, int64_t bits) {
  const int64_t rows = words_RW.size(0), words = words_RW.size(1), per_word = kWord / bits;
  const auto packed = words_RW.contiguous();
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

Codes Codes::of_bytes(const at::Tensor& codes_OI, int64_t bits) {
  Codes codes;
  codes.bits_ = bits, codes.inputs_ = codes_OI.size(1);
  codes.held_ = bits == 4 ? pack_rows(codes_OI, bits) : codes_OI.contiguous();
  return codes;
}

Codes Codes::of_words(const at::Tensor& words_OW, int64_t inputs, int64_t bits) {
  Codes codes;
  codes.bits_ = bits, codes.inputs_ = inputs;
  codes.held_ = bits == 4 ? words_OW.contiguous() : unpack_rows(words_OW, inputs, bits);
  return codes;
}

at::Tensor Codes::bytes() const { return bits_ == 4 ? unpack_rows(held_, inputs_, bits_) : held_; }

at::Tensor Codes::words() const { return bits_ == 4 ? held_ : pack_rows(held_, bits_); }

}  // namespace tongueforge::nn
