// What pruning asks of the inputs of a linear layer, summed up as they come by. Letters: P places, C inputs.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace tongueforge::compress {

/// sqrt(sum over places of x_j^2) for every input: what Wanda weighs columns with. Sums are double and the
/// same for every number of threads.
class InputNorms {
 public:
  explicit InputNorms(int64_t inputs) : squares_(static_cast<size_t>(inputs), 0) {}

  /// x_PC of any float type.
  void add(const at::Tensor& x_PC);
  /// (C) float32
  at::Tensor norms() const;

 private:
  std::vector<double> squares_;
};

/// H = X^T X over all places, summed in float32 or float64: one matrix (C,C), of which add() fills the upper
/// half, so that it costs half a product.
class InputGram {
 public:
  explicit InputGram(int64_t inputs, at::ScalarType dtype = at::ScalarType::Float);

  /// x_PC of any float type.
  void add(const at::Tensor& x_PC);
  /// (C,C), both halves; this object holds none of it any more.
  at::Tensor take();

 private:
  at::Tensor gram_CC_;
};

}  // namespace tongueforge::compress
