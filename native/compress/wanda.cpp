#include "compress/wanda.h"

#include "compress/groups.h"
#include "kernels/aten.h"
#include "kernels/dispatch.h"
#include "kernels/selection.h"

namespace tongueforge::compress {
namespace {

void score_row(const float* weights, const float* maybe_norms, std::vector<float>& scores) {
  for (size_t j = 0; j < scores.size(); j++)
    scores[j] = maybe_norms ? std::abs(weights[j]) * maybe_norms[j] : std::abs(weights[j]);
}

void zero_lowest(float* weights, const std::vector<float>& scores, int64_t count) {
  auto cut = kernels::cut_of(scores, count);
  for (size_t j = 0; j < scores.size(); j++)
    if (cut.takes(kernels::magnitude_key(scores[j]))) weights[j] = 0;
}

void zero_lowest_of_groups(float* weights, const std::vector<float>& scores, const Pattern& pattern) {
  for (size_t j = 0; j < scores.size(); j += static_cast<size_t>(pattern.of))
    for_lowest(&scores[j], pattern, [&](int64_t i) { weights[j + static_cast<size_t>(i)] = 0; });
}

}  // namespace

int64_t prune_rows(const at::Tensor& weight_RC, const at::Tensor& maybe_norms_C, const Amount& amount) {
  const int64_t rows = weight_RC.size(0), columns = weight_RC.size(1);
  check_amount(amount, "the matrix", columns);
  const int64_t count = amount.has_pattern()
                            ? columns / amount.pattern.of * (amount.pattern.of - amount.pattern.kept)
                            : whole_count(amount.sparsity, columns);
  if (count == 0) return 0;
  float* const weights = weight_RC.mutable_data_ptr<float>();
  const float* const norms = maybe_norms_C.defined() ? maybe_norms_C.const_data_ptr<float>() : nullptr;
  at::parallel_for(0, rows, kernels::rows_per_thread(columns), [&](int64_t begin, int64_t end) {
    std::vector<float> scores(static_cast<size_t>(columns));
    for (int64_t row = begin; row < end; row++) {
      float* const of_row = weights + row * columns;
      score_row(of_row, norms, scores);
      if (amount.has_pattern()) {
        zero_lowest_of_groups(of_row, scores, amount.pattern);
      } else {
        zero_lowest(of_row, scores, count);
      }
    }
  });
  return rows * count;
}

}  // namespace tongueforge::compress
