// Linear layers on a few rows, as generation has them token by token on a GPU: what they cost is to read the
// weights. One launch reads several weights, once each, near the speed of the memory; a matrix library made
// for many rows does not.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace tongueforge::kernels {

struct ThinWeight {
  at::Tensor weight, maybe_bias;  // (out,in), (out)
};

/// Whether the kernel takes them: on CUDA, no gradients recorded, at most 4 rows and 3 weights, one dtype but
/// float64, rows of whole accesses.
bool takes_thin_product(const at::Tensor& x, const std::vector<ThinWeight>& weights);

/// x (..., in) -> x weight^T + bias (..., out), for each of the weights; sums in float32, rounded once.
std::vector<at::Tensor> thin_linear(const at::Tensor& x, const std::vector<ThinWeight>& weights);

/// silu(x gate^T) * (x up^T), (..., out), in one launch; the products are rounded before, as two would be.
at::Tensor thin_gated(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& up);

}  // namespace tongueforge::kernels
