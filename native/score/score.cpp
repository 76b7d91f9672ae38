#include "score/score.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/aten.h"
#include "kernels/linear_cross_entropy.h"
#include "models/token_rows.h"

namespace tongueforge::score {
namespace {

// -ln p of tokens first .. end-1 of ids (T), each from the tokens of this window before it.
double window_nll(const models::Decoder& model, const at::Tensor& ids_T, int64_t first, Job& job) {
  const int64_t time = ids_T.size(0);
  const auto hidden_TD = model.hidden(ids_T.slice(0, 0, time - 1).unsqueeze(0), nullptr, &job).squeeze(0);
  return kernels::linear_cross_entropy(hidden_TD.slice(0, first - 1), model.head(),
                                       ids_T.slice(0, first).to(hidden_TD.device()),
                                       {.chunks = {.job = &job}})
      .item<double>();
}

Score score_row(const models::Decoder& model, const std::vector<int32_t>& row, int64_t window, int64_t stride,
                int64_t first_target, Job& job) {
  const auto ids_T = models::stack_rows({row}).squeeze(0);
  const int64_t length = ids_T.size(0);
  Score result;
  for (int64_t next = std::max<int64_t>(first_target, 1); next < length;) {
    // The first window is read whole; each later one adds `stride` tokens.
    const int64_t end = std::min(length, next < window ? window : next + stride);
    const int64_t begin = std::max<int64_t>(0, end - window);
    result.nll += window_nll(model, ids_T.slice(0, begin, end), next - begin, job);
    result.tokens += end - next;
    next = end;
  }
  if (!std::isfinite(result.nll))
    throw Error("ERR_NON_FINITE", str("Expected a finite log-likelihood, received ", -result.nll),
                "The weights hold NaN or infinity, or overflow in this dtype: try --dtype float32.");
  return result;
}

}  // namespace

std::vector<Score> score(const models::Decoder& model, const std::vector<std::vector<int32_t>>& rows,
                         const ScoreOptions& options, Job& job) {
  const at::NoGradGuard no_grad;
  models::check_token_rows(rows, model.spec().vocab_size);
  const int64_t window = options.window > 0 ? options.window : model.spec().max_positions;
  const int64_t stride = options.stride > 0 ? options.stride : std::max<int64_t>(window / 2, 1);
  if (window < 2 || stride >= window)
    throw Error("ERR_USAGE",
                str("Expected 0 < stride < window, received stride ", stride, ", window ", window));
  std::vector<Score> results;
  for (const auto& row : rows) {
    results.push_back(score_row(model, row, window, stride, options.first_target, job));
    job.progress(Value::Map{{"done", static_cast<int64_t>(results.size())},
                            {"total", static_cast<int64_t>(rows.size())}});
  }
  return results;
}

}  // namespace tongueforge::score
