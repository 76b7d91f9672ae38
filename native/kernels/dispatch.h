// Which tensors have fused CPU code, and the switch from a tensor's dtype to a C++ type.
#pragma once
#include "kernels/aten.h"

namespace tongueforge::kernels {

/// Whether the loops of this folder take these tensors: on the CPU, all float32, bfloat16 or float64. Others
/// (float16, another device, mixed dtypes) go through the plain compositions of reference.h; a CUDA twin is
/// asked before them (cuda/glue.h).
template <class... Tensors>
bool has_fused_code(const at::Tensor& first, const Tensors&... others) {
  const auto type = first.scalar_type();
  return first.is_cpu() && (type == at::kFloat || type == at::kBFloat16 || type == at::kDouble) &&
         ((others.is_cpu() && others.scalar_type() == type) && ...);
}

/// body(T{}) with T = float, at::BFloat16 or double.
template <class Body>
void for_dtype(at::ScalarType type, const Body& body) {
  if (type == at::kFloat) return body(float{});
  if (type == at::kBFloat16) return body(at::BFloat16{});
  body(double{});
}

/// dtype of the sums and statistics of a fused op: float64 for float64, else float32.
inline at::ScalarType wide_dtype(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// Elements that one thread should have at least: below this, starting another costs more than it gains.
constexpr int64_t kElementsPerThread = 16384;

inline int64_t rows_per_thread(int64_t row_length) {
  return std::max<int64_t>(1, kElementsPerThread / std::max<int64_t>(row_length, 1));
}

}  // namespace tongueforge::kernels
