// Products with a matrix of which most values are zero: only the others are stored and multiplied, row by row
// (CSR). Letters: M rows of x, O outputs, I inputs.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace tongueforge::kernels {

/// Places of inputs are kept in 16 bits.
constexpr int64_t kMaxCsrInputs = 65536;

struct CsrMatrix {
  int64_t outputs = 0, inputs = 0;
  std::vector<int64_t> begins;      // of each output's values; one more at the end
  std::vector<uint16_t> inputs_of;  // each value's
  std::vector<float> values;

  int64_t bytes() const {
    return static_cast<int64_t>(begins.size() * 8 + inputs_of.size() * 2 + values.size() * 4);
  }
};

/// weight (O,I) float32 on the CPU, I <= kMaxCsrInputs.
CsrMatrix csr_matrix(const at::Tensor& weight_OI);

/// x (..., I) float32, bias (O) or undefined -> (..., O). Not differentiable. The same bytes for every number
/// of threads.
at::Tensor csr_linear(const at::Tensor& x, const CsrMatrix& weight, const at::Tensor& maybe_bias);

}  // namespace tongueforge::kernels
