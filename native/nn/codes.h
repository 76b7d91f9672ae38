// Whole numbers of 4 or 8 bits, a row for each output, in as many bits each. Letters: O outputs, I inputs,
// W words of 32 bits.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::nn {

/// Words for so many codes, the last one filled up.
int64_t words_for(int64_t codes, int64_t bits);

/// (R,C) int8, -2^(bits-1) .. 2^(bits-1)-1 -> (R,W) int32. A word holds 32/bits codes, each plus 2^(bits-1),
/// the first one lowest.
at::Tensor pack_rows(const at::Tensor& codes_RC, int64_t bits);
/// The way back.
at::Tensor unpack_rows(const at::Tensor& words_RW, int64_t columns, int64_t bits);

class Codes {
 public:
  Codes() = default;
  /// int8 (O,I)
  static Codes of_bytes(const at::Tensor& codes_OI, int64_t bits);
  /// int32 (O,W), as pack_rows makes them
  static Codes of_words(const at::Tensor& words_OW, int64_t inputs, int64_t bits);

  int64_t bits() const { return bits_; }
  int64_t outputs() const { return held_.size(0); }
  int64_t inputs() const { return inputs_; }
  /// int8 (O,I); those of 8 bits are not copied.
  at::Tensor bytes() const;
  /// int32 (O,W); those of 4 bits are not copied.
  at::Tensor words() const;
  int64_t memory() const { return static_cast<int64_t>(held_.nbytes()); }

 private:
  int64_t bits_ = 8, inputs_ = 0;
  at::Tensor held_;  // 8 bits: int8 (O,I), which products take; 4 bits: int32 (O,W), as on disk
};

}  // namespace tongueforge::nn
