// How far what a matrix makes of its inputs is from what it made of them before. Letters: P places, S of them
// that are kept, R rows (outputs), C columns (inputs).
#pragma once
#include <ATen/core/Tensor.h>

#include <cmath>
#include <optional>
#include <vector>

namespace tongueforge::compress {

/// Some of all places that come by, evenly spaced.
class EvenPlaces {
 public:
  /// Of `places` in all, at most `most`.
  EvenPlaces(int64_t places, int64_t most) : places_(places), kept_(std::min(places, most)) {}

  /// Those of the next rows, x_PC -> (S,C) float32.
  at::Tensor operator()(const at::Tensor& x_PC);

 private:
  int64_t places_, kept_, seen_ = 0;
};

/// Keeps the inputs of those places.
class InputSample {
 public:
  explicit InputSample(EvenPlaces places) : places_(places) {}

  void add(const at::Tensor& x_PC) { parts_.push_back(places_(x_PC)); }
  /// (S,C) float32
  at::Tensor take();

 private:
  EvenPlaces places_;
  std::vector<at::Tensor> parts_;
};

/// Frobenius norm of the outputs at those places.
class OutputNorm {
 public:
  explicit OutputNorm(EvenPlaces places) : places_(places) {}

  void add(const at::Tensor& y_PR);
  double value() const { return std::sqrt(squares_); }

 private:
  EvenPlaces places_;
  double squares_ = 0;
};

/// || (before - after) X || / || before X ||, Frobenius norms, X^T = inputs_SC; 0 where both are. Matrices
/// (R,C) float32. The divisor is a product less to compute where it was heard: an OutputNorm of the places.
double relative_error(const at::Tensor& before_RC, const at::Tensor& after_RC, const at::Tensor& inputs_SC,
                      std::optional<double> maybe_norm_before = {});

}  // namespace tongueforge::compress
