#include "kernels/matrix_product.h"

#include <algorithm>

#include "kernels/aten.h"

namespace at::native {
// Exported by libtorch since 1.13, its header (ATen/native/mkldnn/Matmul.h) not in the wheels. A libtorch
// without it does not link. result = beta result + alpha mat1 mat2.
TORCH_API void mkldnn_matmul(const Tensor& mat1, const Tensor& mat2, const Tensor& result, float beta,
                             float alpha);
}  // namespace at::native

namespace tongueforge::kernels {
namespace {

// Below the first a product is bound by memory, and MKL's matrix-vector code is as good; below the second the
// call itself, some 10 us, costs more than it gains.
constexpr int64_t kLeastSize = 8, kLeastMultiplications = int64_t{1} << 20;

// MKL keeps its AVX-512 code to Intel's chips; oneDNN asks what the chip can do. Without AVX-512
// mkldnn_matmul refuses to compute.
bool is_amd_with_avx512() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq");
  return __builtin_cpu_is("amd") && avx512;
#else
  return false;
#endif
}

// Rows or columns side by side, as both libraries read them without a copy.
at::Tensor with_unit_stride(const at::Tensor& x) {
  return x.stride(0) == 1 || x.stride(1) == 1 ? x : x.contiguous();
}

// Of factors of 16 bits, into float32.
void wide_product_into(at::Tensor out, const at::Tensor& a, const at::Tensor& b, double beta) {
  const auto dtype = out.scalar_type();
  if (!a.is_cuda()) {
    const auto product = matrix_product(a, b);
    if (beta == 0) return void(out.copy_(product));
    if (beta != 1) out.mul_(beta);
    out.add_(product);
  } else if (beta == 0) {
    at::mm_out(out, a, b, dtype);
  } else {
    at::addmm_out(out, out, a, b, dtype, beta);
  }
}

}  // namespace

bool is_onednn_faster(c10::ScalarType dtype, int64_t m, int64_t n, int64_t k) {
  // In bfloat16 ATen takes oneDNN itself.
  return dtype == at::kFloat && std::min({m, n, k}) >= kLeastSize && m * n * k >= kLeastMultiplications &&
         is_amd_with_avx512() && at::globalContext().userEnabledMkldnn();
}

void matrix_product_into(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double beta) {
  const at::NoGradGuard no_grad;
  if (out.scalar_type() != a.scalar_type()) return wide_product_into(out, a, b, beta);
  if (a.is_cpu() && is_onednn_faster(out.scalar_type(), a.size(0), b.size(1), a.size(1))) {
    at::native::mkldnn_matmul(with_unit_stride(a), with_unit_stride(b), out, static_cast<float>(beta), 1.0f);
  } else if (auto result = out; beta == 0) {
    at::mm_out(result, a, b);
  } else {
    at::addmm_out(result, out, a, b, beta);
  }
}

at::Tensor matrix_product(const at::Tensor& a, const at::Tensor& b) {
  const auto out = at::empty({a.size(0), b.size(1)}, a.options());
  matrix_product_into(out, a, b);
  return out;
}

}  // namespace tongueforge::kernels
