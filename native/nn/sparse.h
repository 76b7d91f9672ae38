// A weight multiplied by its values that are not zero alone, where that has been found to be faster.
#pragma once
#include "kernels/csr_product.h"
#include "nn/chosen_product.h"

namespace tongueforge::nn {

/// Holds the numbers that the weight has now: whoever changes it drops this first.
class SparseExecution final : public ChosenProduct {
 public:
  /// weight (O,I) float32 on the CPU; it is kept, for the inputs that are multiplied as ever.
  SparseExecution(const at::Tensor& weight_OI, RowUse use)
      : ChosenProduct(weight_OI.size(1), use), weight_OI_(weight_OI), csr_(kernels::csr_matrix(weight_OI)) {}

  int64_t bytes() const override { return csr_.bytes(); }
  at::Tensor weight() const override { return weight_OI_; }

 private:
  at::Tensor product(const at::Tensor& x, const at::Tensor& maybe_bias) const override {
    return kernels::csr_linear(x, csr_, maybe_bias);
  }

  at::Tensor weight_OI_;
  kernels::CsrMatrix csr_;
};

}  // namespace tongueforge::nn
