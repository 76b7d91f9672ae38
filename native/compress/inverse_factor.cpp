#include "compress/inverse_factor.h"

#include "compress/plain_weights.h"
#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/matrix_product.h"

namespace tongueforge::compress {
namespace {

using kernels::matrix_product, kernels::matrix_product_into;

constexpr int64_t kLeaf = 128;  // below this LAPACK, in double, above it products
constexpr int kMaxRetries =
    5;  // 0.01 becomes 1000: larger than anything that arithmetic could be at odds with

// Becomes R^-1 of a small block = R R^T, the upper one; false where there is none.
bool invert_leaf(const at::Tensor& block) {
  const int64_t size = block.size(0);
  // From the last row back, the upper triangular factor is the lower one.
  const auto [lower, info] = at::linalg_cholesky_ex(block.to(at::kDouble).flip({0, 1}));
  if (info.item<int>() != 0) return false;
  const auto inverse = at::linalg_solve_triangular(lower, at::eye(size, lower.options()), /*upper=*/false);
  block.copy_(inverse.flip({0, 1}));
  return true;
}

// In place, the upper triangle of H becomes U. With H = [A B; B^T C] and R = [P Q; 0 S]: S S^T = C, Q S^T =
// B, P P^T = A - Q Q^T, and R^-1 = [P^-1, -P^-1 Q S^-1; 0, S^-1].
bool invert(const at::Tensor& h, const Job& job) {
  const int64_t size = h.size(0);
  job.check();
  if (size <= kLeaf) return invert_leaf(h);
  const int64_t half = (size / 2 + kLeaf - 1) / kLeaf * kLeaf;  // leaves are whole, but the last
  const auto a = h.slice(0, 0, half).slice(1, 0, half), b = h.slice(0, 0, half).slice(1, half);
  const auto c = h.slice(0, half).slice(1, half);
  if (!invert(c, job)) return false;
  const auto q = matrix_product(b, c.t());
  matrix_product_into(b, q, c);  // Q S^-1
  matrix_product_into(a, q.neg(), q.t(), 1);
  if (!invert(a, job)) return false;
  b.copy_(matrix_product(a, b.neg()));
  h.slice(0, half).slice(1, 0, half).zero_();  // products take blocks as a whole
  return true;
}

double mean_of_live(const at::Tensor& diagonal, const at::Tensor& dead) {
  const int64_t live = dead.numel() - dead.sum().item<int64_t>();
  return live > 0 ? diagonal.sum(at::kDouble).item<double>() / static_cast<double>(live) : 1;
}

[[noreturn]] void throw_indefinite(const std::string& name, double damping) {
  throw Error("ERR_CALIBRATION",
              str("Expected inputs of ", name,
                  " whose products can be inverted, received ones that cannot, "
                  "even with damping ",
                  damping),
              "More calibration rows, or of more kinds; criterion: wanda needs no inverse.");
}

}  // namespace

InverseFactor inverse_factor(const at::Tensor& gram_CC, double damping, const std::string& name,
                             const Job& job) {
  const auto diagonal = gram_CC.diagonal().clone();
  if (!gram_CC.isfinite().all().item<bool>()) throw_non_finite_inputs(name);
  InverseFactor factor;
  factor.dead_C = diagonal.eq(0);
  const double mean = mean_of_live(diagonal, factor.dead_C);
  diagonal.masked_fill_(factor.dead_C, mean);
  for (factor.damping = damping; factor.retries <= kMaxRetries; factor.damping *= 10, factor.retries++) {
    factor.added = factor.damping * mean;
    factor.u_CC.reset();  // before there is another
    factor.u_CC = gram_CC.clone();
    factor.u_CC.diagonal().copy_(diagonal).add_(factor.added);
    if (invert(factor.u_CC, job)) return factor;
  }
  throw_indefinite(name, factor.damping / 10);
}

}  // namespace tongueforge::compress
