// Linear layers on a few rows on the CPU, as generation has them token by token: what they cost is to read
// the weights. Each is read once, near the speed of the memory (bench/generate.md); a matrix library made for
// many rows does not. Letters: M rows of x, I inputs, O outputs.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "core/instructions.h"
#include "kernels/thin_product.h"

namespace tongueforge::kernels {

constexpr int64_t kFewRows = 32;

/// Whether few_rows_linear takes them and is the faster one: on the CPU, all float32 or all bfloat16, 1 to
/// kFewRows rows, outputs of the weight dense; no gradients recorded, now or later (AsRecordedScope).
bool takes_few_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& maybe_bias);

/// x (..., I), any number of rows, weight (O,I) and bias (O) as above, bias may be undefined -> (..., O);
/// sums in float32, rounded once. A row's result is the same to the bit whatever rows come with it, however
/// many, and for every number of threads. Not differentiable.
at::Tensor few_rows_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& maybe_bias,
                           Instructions level = instructions());

/// The same for several weights, side by side: threads meet once for all of them. Same bits.
std::vector<at::Tensor> few_rows_linears(const at::Tensor& x, const std::vector<ThinWeight>& weights,
                                         Instructions level = instructions());

/// While it lives, this thread multiplies few rows as where gradients are recorded: for what autograd runs
/// without a record, and once more with one, which must give the same bits.
class AsRecordedScope {
 public:
  AsRecordedScope();
  ~AsRecordedScope();
  AsRecordedScope(const AsRecordedScope&) = delete;
  AsRecordedScope& operator=(const AsRecordedScope&) = delete;

 private:
  bool before_;
};

}  // namespace tongueforge::kernels
