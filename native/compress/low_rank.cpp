#include "compress/low_rank.h"

#include <cmath>

#include "compress/to_list.h"
#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::compress {
namespace {

constexpr double kFirstDamping = 1e-12;

at::Tensor wide(const at::Tensor& x) { return x.detach().to(at::kDouble); }

void check_finite(const at::Tensor& sums) {
  if (sums.isfinite().all().item<bool>()) return;
  throw Error("ERR_NON_FINITE", "Expected finite inputs of a linear layer, received NaN or infinity",
              "Look for NaN in the weights with `tongueforge inspect --scan`; calibrate in float32.");
}

std::vector<double> squares_of(const at::Tensor& s_K) { return to_list(s_K.square()); }

}  // namespace

at::Tensor Whitening::operator()(const at::Tensor& weight_OI) const {
  if (!scale.defined()) return wide(weight_OI);
  return scale.dim() == 1 ? wide(weight_OI) * scale : wide(weight_OI).matmul(scale);
}

Whitening whiten(const at::Tensor& gram_II) {
  check_finite(gram_II);
  const double mean = gram_II.diagonal().mean().item<double>();
  if (mean == 0) return {at::zeros_like(gram_II), 0};
  for (double damping = 0;; damping = damping == 0 ? kFirstDamping : 10 * damping) {
    const auto damped =
        damping == 0 ? gram_II : gram_II + damping * mean * at::eye(gram_II.size(0), gram_II.options());
    const auto [lower, info] = at::linalg_cholesky_ex(damped);
    if (info.item<int>() == 0) return {lower, damping};
  }
}

Whitening whiten_diagonal(const at::Tensor& norms_I, int64_t count) {
  check_finite(norms_I);
  return {(wide(norms_I) / std::sqrt(static_cast<double>(count))).sqrt(), 0};
}

Decomposition decompose(const at::Tensor& weight_OI, const Whitening& whitening) {
  const auto [u_OK, s_K, vh_KI] = at::linalg_svd(whitening(weight_OI), /*full_matrices=*/false);
  return {u_OK, squares_of(s_K)};
}

std::vector<double> spectrum(const at::Tensor& weight_OI, const Whitening& whitening) {
  return squares_of(at::linalg_svdvals(whitening(weight_OI)));
}

nn::Factors factorise(const at::Tensor& weight_OI, const at::Tensor& u_OK, int64_t rank) {
  const auto u_OR = u_OK.narrow(1, 0, rank);
  const auto in_RI = u_OR.t().matmul(wide(weight_OI));
  const auto root_R1 = in_RI.norm(2, 1, /*keepdim=*/true).sqrt();
  const auto inverse_R1 = at::where(root_R1 > 0, root_R1.reciprocal(), at::zeros_like(root_R1));
  return {rank, (u_OR * root_R1.t()).to(weight_OI.scalar_type()).contiguous(),
          (in_RI * inverse_R1).to(weight_OI.scalar_type()).contiguous()};
}

at::Tensor multiplied(const nn::Factors& factors) {
  return wide(factors.out_OR).matmul(wide(factors.in_RI)).to(factors.out_OR.scalar_type());
}

double relative_error(const at::Tensor& weight_OI, const nn::Factors& factors, const Whitening& whitening) {
  const auto lost_OI = wide(weight_OI) - wide(factors.out_OR).matmul(wide(factors.in_RI));
  const double all = whitening(weight_OI).norm().item<double>();
  return all == 0 ? 0 : whitening(lost_OI).norm().item<double>() / all;
}

}  // namespace tongueforge::compress
