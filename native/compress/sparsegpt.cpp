#include "compress/sparsegpt.h"

#include <array>
#include <bitset>

#include "compress/column_solver.h"
#include "compress/groups.h"
#include "core/error.h"
#include "kernels/selection.h"

namespace tongueforge::compress {
namespace {

/// Weights of a row that were chosen before.
struct ChosenRow {
  const uint8_t* chosen;

  TONGUEFORGE_INLINE float operator()(int64_t j, const float* w) const { return chosen[j] ? 0 : w[j]; }
};

/// Of each group of M the lowest, chosen when its first column is reached.
struct PatternRow {
  Pattern pattern;
  const float* scales;  // of the columns of the block
  std::bitset<Pattern::kMost> chosen{};

  TONGUEFORGE_INLINE float operator()(int64_t j, const float* w) {
    const auto place = static_cast<size_t>(j % pattern.of);
    if (place == 0) choose(w + j, scales + j);
    return chosen[place] ? 0 : w[j];
  }

  void choose(const float* w, const float* scale) {
    std::array<float, Pattern::kMost> scores;
    for (size_t i = 0; i < static_cast<size_t>(pattern.of); i++) scores[i] = std::abs(w[i]) * scale[i];
    chosen.reset();
    for_lowest(scores.data(), pattern, [&](int64_t i) { chosen.set(static_cast<size_t>(i)); });
  }
};

/// What |w| is multiplied with for a score: 1 / U_jj, 0 for dead inputs.
at::Tensor score_scales(const InverseFactor& factor) {
  return factor.u_CC.diagonal().reciprocal().masked_fill_(factor.dead_C, 0);
}

/// 1 for the `count` lowest scores of a block (R,W), row by row.
at::Tensor choose_lowest(const at::Tensor& scores_RW, int64_t count) {
  const auto chosen = at::empty(scores_RW.sizes(), at::kByte);
  const float* const scores = scores_RW.const_data_ptr<float>();
  uint8_t* const to = chosen.mutable_data_ptr<uint8_t>();
  const int64_t size = scores_RW.numel();
  auto cut = kernels::cut_of({scores, static_cast<size_t>(size)}, count);
  for (int64_t i = 0; i < size; i++) to[i] = cut.takes(kernels::magnitude_key(scores[i])) ? 1 : 0;
  return chosen;
}

double prune_share(const at::Tensor& weight_RC, const InverseFactor& factor, double sparsity, int64_t block,
                   const Job& job) {
  const auto scales_C = score_scales(factor);
  return solve_columns(weight_RC, factor.u_CC, block, job, [&](const ColumnBlock& of) {
    const auto scores_RW = weight_RC.slice(1, of.begin, of.end).abs() * scales_C.slice(0, of.begin, of.end);
    const auto chosen_RW = choose_lowest(scores_RW, whole_count(sparsity, scores_RW.numel()));
    return [chosen_RW, width = of.width()](int64_t row) {
      return ChosenRow{chosen_RW.const_data_ptr<uint8_t>() + row * width};
    };
  });
}

double prune_groups(const at::Tensor& weight_RC, const InverseFactor& factor, const Pattern& pattern,
                    int64_t block, const Job& job) {
  const auto scales_C = score_scales(factor);
  return solve_columns(weight_RC, factor.u_CC, block, job, [&](const ColumnBlock& of) {
    return [&pattern, scales = scales_C.const_data_ptr<float>() + of.begin](int64_t) {
      return PatternRow{pattern, scales};
    };
  });
}

}  // namespace

double prune_sparsegpt(const at::Tensor& weight_RC, const InverseFactor& factor, const Amount& amount,
                       int64_t block, const Job& job) {
  check_amount(amount, "the matrix", weight_RC.size(1));
  if (!amount.has_pattern()) return prune_share(weight_RC, factor, amount.sparsity, block, job);
  if (block % amount.pattern.of != 0)
    throw Error("ERR_CONFIG",
                str("block: expected whole groups of ", amount.pattern.of, " columns, received ", block),
                str("block: ", (block / amount.pattern.of + 1) * amount.pattern.of));
  return prune_groups(weight_RC, factor, amount.pattern, block, job);
}

}  // namespace tongueforge::compress
