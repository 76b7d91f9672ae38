#include "kernels/gram.h"

#include <algorithm>

#include "kernels/aten.h"

namespace tongueforge::kernels {
namespace {

// (rows, columns) in double: a copy, whose products are rounded once.
at::Tensor widened(std::span<const float> block, uint64_t columns) {
  const auto width = static_cast<int64_t>(columns);
  const auto height = static_cast<int64_t>(block.size()) / width;
  return at::from_blob(const_cast<float*>(block.data()), {height, width}, at::kFloat).to(at::kDouble);
}

at::Tensor view(const double* data, int64_t rows, int64_t columns) {
  return at::from_blob(const_cast<double*>(data), {rows, columns}, at::kDouble);
}

}  // namespace

void add_gram(std::span<const float> block, uint64_t columns, bool transposed, double* gram) {
  const at::NoGradGuard no_grad;
  const auto a = transposed ? widened(block, columns).t() : widened(block, columns);
  view(gram, a.size(1), a.size(1)).addmm_(a.t(), a);
}

std::vector<double> symmetric_eigen(double* matrix, uint64_t n) {
  const at::NoGradGuard no_grad;
  const auto size = static_cast<int64_t>(n);
  const auto all = view(matrix, size, size);
  const auto [values, vectors] = at::linalg_eigh(all);  // ascending, one a column
  all.copy_(vectors.flip(1).t());
  const auto descending = values.flip(0).contiguous();
  const double* const first = descending.const_data_ptr<double>();
  return {first, first + n};
}

void project(std::span<const float> block, uint64_t columns, bool transposed, const double* basis,
             uint64_t rank, float* out) {
  const at::NoGradGuard no_grad;
  const auto a = widened(block, columns);
  const auto v = view(basis, static_cast<int64_t>(rank), a.size(transposed ? 0 : 1));
  const auto product = transposed ? v.matmul(a) : a.matmul(v.t());
  at::from_blob(out, product.sizes(), at::kFloat).copy_(product);
}

}  // namespace tongueforge::kernels
