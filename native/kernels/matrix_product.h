// Matrix products by the library that is fastest on this machine, chosen by a fixed rule and never by timing,
// so that the same machine gives the same bytes (bench/matrix_product.md has the table behind the rule).
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// out (m,n) = a (m,k) b (k,n) + beta out; all of one dtype, any strides. Not differentiable. With beta = 0
/// the former content of out does not matter. Of factors of 16 bits out may be float32: on CUDA the product
/// is never rounded to 16 bits then, on the CPU it is before it is added.
void matrix_product_into(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double beta = 0);

/// a (m,k), b (k,n) -> (m,n). Not differentiable.
at::Tensor matrix_product(const at::Tensor& a, const at::Tensor& b);

/// Whether a product of these sizes is oneDNN's here rather than ATen's own choice.
bool is_onednn_faster(c10::ScalarType dtype, int64_t m, int64_t n, int64_t k);

}  // namespace tongueforge::kernels
