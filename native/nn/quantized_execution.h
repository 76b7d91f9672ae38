// A layer whose weight is stored as whole numbers: it multiplies with the weight that they make, or with the
// numbers themselves, one row by kernels/few_rows_codes.h and more by ATen's products for 8 and 4 bits, where
// that has been found to be faster or the weight is not to be in memory.
#pragma once
#include "kernels/few_rows_codes.h"
#include "nn/chosen_product.h"
#include "nn/quantized.h"

namespace tongueforge::nn {

/// Whether ATen has a product for these numbers in bfloat16: 8 bits with one scale for each output, or 4 bits
/// in groups of a multiple of 32 inputs, by 16 outputs. In float32 it has none that is ever faster
/// (bench/quantized_product.md).
bool has_packed_product(const Quantized& weight);

/// In packed products of more than a row scales are those of the codes in bfloat16; sums are float32, answers
/// are rounded once.
class QuantizedExecution final : public ChosenProduct {
 public:
  /// maybe_weight_OI: what the layer multiplies with where packed products are not used; undefined: bfloat16,
  /// made of the codes each time. `use` only where there is a packed product: that of more rows may hold a
  /// copy of the numbers.
  QuantizedExecution(std::shared_ptr<const Quantized> numbers, at::Tensor maybe_weight_OI, RowUse use = {});

  const std::shared_ptr<const Quantized>& numbers() const { return numbers_; }
  int64_t bytes() const override;
  at::Tensor weight() const override;

 private:
  at::Tensor product(const at::Tensor& x, const at::Tensor& maybe_bias) const override;

  at::Tensor product_of_more(const at::Tensor& x) const;

  std::shared_ptr<const Quantized> numbers_;
  at::Tensor maybe_weight_OI_;
  kernels::CodedWeight coded_;  // for one row
  at::Tensor packed_;           // 8 bits: int8 (O,I), the codes themselves; 4 bits: as ATen lays them out
  at::Tensor scales_;           // 8 bits: (O); 4 bits: (G,O,2), scale and what is added
  int64_t group_ = 0;           // of 4 bits
};

/// The whole numbers that a layer is stored as; nullptr: floats, or its weight is another by now.
std::shared_ptr<const Quantized> quantized_numbers(const Linear& linear);

}  // namespace tongueforge::nn
