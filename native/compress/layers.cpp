#include "compress/layers.h"

#include <algorithm>
#include <deque>
#include <numbers>

#include "compress/unit_selection.h"
#include "core/error.h"
#include "kernels/aten.h"

namespace tongueforge::compress {
namespace {

// Of each of M tokens: (M,D), (M,D) -> (M) in float64. Of x with itself it is exactly 1, also where x is 0:
// some tables have a row of zeros.
at::Tensor cosines(const at::Tensor& x_MD, const at::Tensor& y_MD) {
  const auto x = x_MD.to(at::kDouble), y = y_MD.to(at::kDouble);
  const auto dot = [](const at::Tensor& a, const at::Tensor& b) { return (a * b).sum(-1); };
  const auto lengths = (dot(x, x) * dot(y, y)).sqrt();
  const auto without_length = x.eq(y).all(-1).to(at::kDouble);
  return at::where(lengths.eq(0), without_length, dot(x, y) / lengths).clamp(-1, 1);
}

// Calls see(first, x, y) for each stretch of `span` layers, with the tokens before and after it, (M,D).
template <class See>
void for_each_stretch(const models::Model& model, const models::Rows& rows, int64_t layers, int64_t span,
                      const Job& job, const See& see) {
  const auto places_M = rows.segments_BT.ge(0).flatten().nonzero().squeeze(1);
  const auto tokens = [&](const at::Tensor& x_BTD) { return x_BTD.flatten(0, 1).index_select(0, places_M); };
  auto x_BTD = model.embed(rows);
  std::deque<at::Tensor> stream = {tokens(x_BTD)};  // into the last `span` layers
  for (int64_t layer = 0; layer < layers; layer++) {
    x_BTD = model.run_block(static_cast<size_t>(layer), x_BTD, rows, &job);
    stream.push_back(tokens(x_BTD));
    if (static_cast<int64_t>(stream.size()) <= span) continue;
    see(layer + 1 - span, stream.front(), stream.back());
    stream.pop_front();
  }
}

// The mean of a measure of each token's cosine, for each stretch.
template <class Measure>
std::vector<double> stretch_means(models::Model& model, int64_t span, const CalibrationRows& rows, Job& job,
                                  const Measure& measure) {
  const at::NoGradGuard no_grad;
  const auto layers = static_cast<int64_t>(model.blocks().size());
  std::vector<double> sums(static_cast<size_t>(layers - span + 1));
  int64_t tokens = 0;
  for_each_batch(rows, job, [&](size_t batch) {
    tokens += rows.batches[batch].segments_BT.ge(0).sum().item<int64_t>();
    for_each_stretch(model, rows.batches[batch], layers, span, job,
                     [&](int64_t first, const at::Tensor& x_MD, const at::Tensor& y_MD) {
                       sums[static_cast<size_t>(first)] +=
                           measure(cosines(x_MD, y_MD)).sum().template item<double>();
                     });
  });
  if (tokens == 0)
    throw Error("ERR_CALIBRATION", "Expected calibration rows with text in them, received none",
                "Name texts under calibration.data.");
  for (auto& sum : sums) sum /= static_cast<double>(tokens);
  return sums;
}

std::vector<int64_t> without_stretch(int64_t layers, int64_t first, int64_t count) {
  std::vector<int64_t> kept;
  for (int64_t layer = 0; layer < layers; layer++)
    if (layer < first || layer >= first + count) kept.push_back(layer);
  return kept;
}

DroppedLayers kept_alone(models::Model& model, std::vector<double> scores, std::vector<int64_t> kept) {
  model.keep_blocks({kept.begin(), kept.end()});
  return {std::move(scores), std::move(kept)};
}

}  // namespace

std::vector<double> block_influences(models::Model& model, const CalibrationRows& rows, Job& job) {
  return stretch_means(model, 1, rows, job, [](const at::Tensor& cosines_M) { return 1 - cosines_M; });
}

std::vector<double> stretch_angles(models::Model& model, int64_t span, const CalibrationRows& rows,
                                   Job& job) {
  return stretch_means(model, span, rows, job,
                       [](const at::Tensor& cosines_M) { return cosines_M.acos() / std::numbers::pi; });
}

DroppedLayers drop_layers(models::Model& model, LayerCriterion criterion, int64_t count,
                          const CalibrationRows& rows, Job& job) {
  const auto layers = static_cast<int64_t>(model.blocks().size());
  if (count < 0 || count >= layers)
    throw Error("ERR_CONFIG", str("Expected to drop 0 to ", layers - 1, " layers, received ", count));
  if (criterion == LayerCriterion::influence || count == 0) {
    const auto scores = block_influences(model, rows, job);
    return kept_alone(model, scores, select_units({scores}, {.keep = {layers - count}}).front());
  }
  const auto scores = stretch_angles(model, count, rows, job);
  check_finite({scores});
  const auto least = std::min_element(scores.begin(), scores.end()) - scores.begin();
  return kept_alone(model, scores, without_stretch(layers, least, count));
}

DroppedLayers keep_layers(models::Model& model, const std::vector<int64_t>& kept) {
  return kept_alone(model, {}, kept);
}

}  // namespace tongueforge::compress
