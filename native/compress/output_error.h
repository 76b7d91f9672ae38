// How far what a matrix makes of its inputs is from what it made of them before. Letters: P places, S of them
// that are kept, R rows (outputs), C columns (inputs).
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace tongueforge::compress {

/// Keeps some inputs of all that come by, evenly spaced.
class InputSample {
 public:
  /// Of `places` in all, at most `most`.
  InputSample(int64_t places, int64_t most) : places_(places), kept_(std::min(places, most)) {}

  void add(const at::Tensor& x_PC);
  /// (S,C) float32
  at::Tensor take();

 private:
  int64_t places_, kept_, seen_ = 0;
  std::vector<at::Tensor> parts_;
};

/// || (before - after) X || / || before X ||, Frobenius norms, X^T = inputs_SC; 0 where both are. Matrices
/// (R,C) float32.
double relative_error(const at::Tensor& before_RC, const at::Tensor& after_RC, const at::Tensor& inputs_SC);

}  // namespace tongueforge::compress
