// Another product in place of a weight's, for the inputs for which it has been found to be faster.
#pragma once
#include "nn/linear.h"

namespace tongueforge::nn {

/// For which inputs: one row (decoding), or more (a prompt, an encoder).
struct RowUse {
  bool one = false, more = false;
};

class ChosenProduct : public Execution {
 public:
  RowUse use;

  at::Tensor operator()(const at::Tensor& x, const at::Tensor& maybe_bias) const final;
  /// (out, in), for the other inputs.
  virtual at::Tensor weight() const = 0;

 protected:
  ChosenProduct(int64_t inputs, RowUse use) : use(use), inputs_(inputs) {}
  /// (..., in) -> (..., out), as it has been chosen.
  virtual at::Tensor product(const at::Tensor& x, const at::Tensor& maybe_bias) const = 0;

 private:
  int64_t inputs_;
};

}  // namespace tongueforge::nn
