// A matrix as the product of two thinner ones, W ~ out in: by its singular values (Eckart and Young 1936), or
// by those of what it makes of its inputs (SVD-LLM, Wang et al. 2024, arXiv 2403.07378; ASVD, Yuan et al.
// 2023, arXiv 2312.05821). Everything is computed in double: it takes twice the time of float, and the
// whitening needs it. Letters: O outputs, I inputs, K = min(O,I), R rank.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "nn/linear.h"

namespace tongueforge::compress {

/// The measure of an approximation: |(W - W') scale|, which is the error of the outputs where scale scale^T
/// is the sum of x x^T over the inputs x. Undefined = the matrix itself.
struct Whitening {
  at::Tensor scale;    // float64: (I,I), lower triangular; (I), a diagonal; or undefined
  double damping = 0;  // what was added to the diagonal of the sum, in parts of its mean

  /// (O,I) -> W scale, float64
  at::Tensor operator()(const at::Tensor& weight_OI) const;
};

/// Cholesky's L of gram (I,I). Where the inputs do not span their space there is none: then 1e-12 of the
/// diagonal's mean is added to it, ten times that, and so on. Throws ERR_NON_FINITE.
Whitening whiten(const at::Tensor& gram_II);

/// ASVD's simpler measure: each input by the root of its root mean square over `count` places, of which norms
/// (I) are sqrt(sum of x^2). Throws ERR_NON_FINITE.
Whitening whiten_diagonal(const at::Tensor& norms_I, int64_t count);

/// The left side of the singular value decomposition of W scale: all that factors need of it.
struct Decomposition {
  at::Tensor u_OK;              // float64, orthonormal columns, the largest singular value first
  std::vector<double> squares;  // of the K singular values: what each component adds to |W scale|^2
};

Decomposition decompose(const at::Tensor& weight_OI, const Whitening& whitening);

/// Its squares alone, at a third of the time.
std::vector<double> spectrum(const at::Tensor& weight_OI, const Whitening& whitening);

/// The best approximation of this rank: W' = U_R U_R^T W, so that the scale is never solved for. Each column
/// of `out` is as long as its row of `in`: without whitening U S^1/2 and S^1/2 V^T. Rounded once to the dtype
/// of W.
nn::Factors factorise(const at::Tensor& weight_OI, const at::Tensor& u_OK, int64_t rank);

/// out in, computed in double and rounded once to their dtype. (O,I)
at::Tensor multiplied(const nn::Factors& factors);

/// |(W - W') scale| / |W scale|, measured; 0 where W is 0.
double relative_error(const at::Tensor& weight_OI, const nn::Factors& factors, const Whitening& whitening);

}  // namespace tongueforge::compress
