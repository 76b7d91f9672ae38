// Optimal brain surgery, column by column (Frantar & Alistarh: SparseGPT, arXiv 2301.00774; GPTQ, arXiv
// 2210.17323): each weight of a column is replaced, and those of its row further right make up for the error
// as well as the inputs of the calibration allow. What replaces a weight is the method's: a Rule.
//
// A rule: rule(j, w) -> float, the replacement of column j of its block; w[j], w[j + 1]... are the weights of
// the row as they are by then. It is asked for j = 0, 1, 2... in turn, once.
//
// Letters: R rows, C columns, W columns of a block.
#pragma once
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/job.h"
#include "kernels/aten.h"
#include "kernels/matrix_product.h"
#include "kernels/simd.h"

namespace tongueforge::compress {

/// Columns begin .. end-1. Their part of U is copied with rows of whole registers.
class ColumnBlock {
 public:
  ColumnBlock(const at::Tensor& u_CC, int64_t begin, int64_t end)
      : begin(begin), end(end), stride((end - begin + 15) / 16 * 16) {
    u_ = at::zeros({width(), stride}, at::kFloat);
    u_.slice(1, 0, width()).copy_(u_CC.slice(0, begin, end).slice(1, begin, end));
  }

  const int64_t begin, end, stride;

  int64_t width() const { return end - begin; }
  /// (W, stride), zeros below the diagonal and beyond the width.
  const float* u() const { return u_.const_data_ptr<float>(); }

 private:
  at::Tensor u_;
};

namespace detail {

/// Replaces one row, w (stride), of a block. Writes -e of its columns, e = (w_j - q_j) / U_jj; returns the
/// sum of e^2.
template <int Bytes, class Rule>
TONGUEFORGE_INLINE double solve_row(float* w, const ColumnBlock& block, float* negated_errors, Rule& rule) {
  using L = kernels::simd::Lanes<float, Bytes>;
  const kernels::simd::Whole whole;
  double sum = 0;
  const float* u = block.u();
  for (int64_t j = 0; j < block.width(); j++, u += block.stride) {
    const float q = rule(j, w), negated = (q - w[j]) / u[j];
    negated_errors[j] = negated;
    sum += static_cast<double>(negated) * negated;
    if (negated != 0)  // from the register that holds column j on: U is 0 left of it
      for (int64_t k = j / L::kCount * L::kCount; k < block.stride; k += L::kCount)
        L::store(w + k, L::load(w + k, whole) + negated * L::load(u + k, whole), whole);
    w[j] = q;
  }
  return sum;
}

}  // namespace detail

/// Replaces all weights of weight_RC (float32, dense) in place. begin_block(ColumnBlock) is called before
/// each block of `block` columns, when the weights in it are up to date, and returns rules: rules(row) ->
/// Rule. Returns the sum of e^2 = || (W - W') X ||^2 + added ||W - W'||^2: what the replacement costs on the
/// calibration inputs and by damping. Rows do not depend on each other, nor on the number of threads but
/// through matrix products.
template <class BeginBlock>
double solve_columns(const at::Tensor& weight_RC, const at::Tensor& u_CC, int64_t block, const Job& job,
                     const BeginBlock& begin_block) {
  constexpr int64_t kRowsPerThread = 16;
  const int64_t rows = weight_RC.size(0), columns = weight_RC.size(1);
  float* const weights = weight_RC.mutable_data_ptr<float>();
  std::vector<double> sums(static_cast<size_t>(rows), 0);
  for (int64_t begin = 0; begin < columns; begin += block) {
    job.check();
    const ColumnBlock of(u_CC, begin, std::min(begin + block, columns));
    const auto negated_RW = at::empty({rows, of.width()}, at::kFloat);
    float* const negated = negated_RW.template mutable_data_ptr<float>();
    const auto rules = begin_block(of);
    at::parallel_for(0, rows, kRowsPerThread, [&](int64_t first, int64_t last) {
      std::vector<float> w(static_cast<size_t>(of.stride), 0);
      kernels::simd::vectorised([&](auto bytes) TONGUEFORGE_INLINED {
        for (int64_t row = first; row < last; row++) {
          float* const from = weights + row * columns + begin;
          auto rule = rules(row);
          std::copy(from, from + of.width(), w.data());
          sums[static_cast<size_t>(row)] +=
              detail::solve_row<bytes()>(w.data(), of, negated + row * of.width(), rule);
          std::copy(w.data(), w.data() + of.width(), from);
        }
      });
    });
    if (of.end < columns)
      kernels::matrix_product_into(weight_RC.slice(1, of.end), negated_RW,
                                   u_CC.slice(0, begin, of.end).slice(1, of.end), 1);
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace tongueforge::compress
