// Linear layers on rows that belong to different askers: what a row gives depends on nothing but itself, not
// on how many rows there are nor on its place among them. A matrix library promises no such thing.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// Whether the kernel takes them: on the CPU, both float32 or both bfloat16, no gradient recorded.
bool takes_row_product(const at::Tensor& x, const at::Tensor& weight);

/// x (..., in), weight (out, in), bias (out) or undefined -> (..., out). Sums in float32, rounded once with
/// the bias. Each value is summed in the same order whatever the number of rows or threads.
at::Tensor row_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& maybe_bias = {});

/// While it lives, linear layers that run on this thread take each row for itself.
class RowwiseScope {
 public:
  RowwiseScope();
  ~RowwiseScope();
  RowwiseScope(const RowwiseScope&) = delete;
  RowwiseScope& operator=(const RowwiseScope&) = delete;

  static bool is_open();

 private:
  bool before_;
};

}  // namespace tongueforge::kernels
