// A weight multiplied by its values that are not zero alone, where that has been found to be faster.
#pragma once
#include "kernels/csr_product.h"
#include "nn/linear.h"

namespace tongueforge::nn {

/// For which inputs: one row (decoding), or more (a prompt, an encoder).
struct SparseUse {
  bool one = false, more = false;
};

/// Holds the numbers that the weight has now: whoever changes it drops this first.
class SparseExecution final : public Execution {
 public:
  /// weight (O,I) float32 on the CPU; it is kept, for the inputs that are multiplied as ever.
  SparseExecution(const at::Tensor& weight_OI, SparseUse use);

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& maybe_bias) const override;
  int64_t bytes() const override { return csr_.bytes(); }

 private:
  at::Tensor weight_OI_;
  kernels::CsrMatrix csr_;
  SparseUse use_;
};

}  // namespace tongueforge::nn
