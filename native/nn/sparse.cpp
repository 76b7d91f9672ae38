#include "nn/sparse.h"

#include "kernels/linear.h"

namespace tongueforge::nn {

SparseExecution::SparseExecution(const at::Tensor& weight_OI, SparseUse use)
    : weight_OI_(weight_OI), csr_(kernels::csr_matrix(weight_OI)), use_(use) {}

at::Tensor SparseExecution::operator()(const at::Tensor& x, const at::Tensor& maybe_bias) const {
  const bool is_one = x.numel() == csr_.inputs;
  return (is_one ? use_.one : use_.more) ? kernels::csr_linear(x, csr_, maybe_bias)
                                         : kernels::linear(x, weight_OI_, maybe_bias);
}

}  // namespace tongueforge::nn
