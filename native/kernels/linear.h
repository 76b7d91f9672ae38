// y = x W^T (+ b) and its gradients, each product by the fastest library for the machine
// (kernels/matrix_product.h).
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// x (..., in), weight (out, in), bias (out) or undefined -> (..., out). Differentiable once in all three.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

}  // namespace tongueforge::kernels
