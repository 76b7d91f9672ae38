#include "compress/rows.h"

#include "compress/calibration.h"
#include "compress/plain_weights.h"
#include "compress/sensitivity.h"
#include "compress/to_list.h"
#include "kernels/aten.h"
#include "nn/cut.h"

namespace tongueforge::compress {
namespace {

std::vector<double> magnitudes(const models::Block& block) {
  auto sum_F = block.narrow.linear->dense().abs().sum(0, /*keepdim=*/false, at::kDouble);
  for (const auto& [name, widen] : block.widen) {
    sum_F = sum_F + widen->dense().abs().sum(1, /*keepdim=*/false, at::kDouble);
    if (widen->bias.defined()) sum_F = sum_F + widen->bias.abs();
  }
  return to_list(sum_F);
}

// Of what goes into `narrow`, at places of a document.
Scores mean_activations(models::Model& model, const CalibrationRows& rows, Job& job) {
  const auto blocks = model.blocks();
  Calibration calibration(model, rows.batches, job);
  Scores scores;
  while (!calibration.at_end()) {
    at::Tensor sum_F;
    calibration.advance({{blocks[calibration.block()].narrow.linear, [&sum_F](const at::Tensor& x_PF) {
                            const auto part_F = x_PF.abs().sum(0, /*keepdim=*/false, at::kDouble);
                            sum_F = sum_F.defined() ? sum_F + part_F : part_F;
                          }}});
    scores.push_back(to_list(sum_F / static_cast<double>(calibration.places())));
    job.progress(Value::Map{{"done", uint64_t{scores.size()}}, {"total", uint64_t{blocks.size()}}});
  }
  return scores;
}

models::LayerSizes cut_rows(const models::Block& block, const std::vector<int64_t>& kept) {
  for (const auto& [name, widen] : block.widen) nn::keep_outputs(*widen, kept);
  nn::keep_inputs(*block.narrow.linear, kept);
  auto sizes = block.sizes;
  sizes.intermediate_size = static_cast<int64_t>(kept.size());
  return sizes;
}

}  // namespace

Scores row_scores(models::Model& model, RowCriterion criterion, const CalibrationRows& rows, Job& job) {
  const auto blocks = model.blocks();
  if (criterion == RowCriterion::taylor) {
    std::vector<Watched> activations;
    for (const auto& block : blocks) activations.push_back({block.narrow.linear, 1});
    return sensitivities(model, activations, SensitivityKind::document, rows, job);
  }
  const at::NoGradGuard no_grad;
  if (criterion == RowCriterion::activation) return mean_activations(model, rows, job);
  Scores scores;
  for (const auto& block : blocks) scores.push_back(magnitudes(block));
  return scores;
}

PrunedRows prune_rows(models::Model& model, const RowOptions& options, const CalibrationRows& rows,
                      Job& job) {
  const auto blocks = model.blocks();
  for (const auto& block : blocks) check_cuttable(block);
  PrunedRows pruned;
  pruned.scores = row_scores(model, options.criterion, rows, job);
  pruned.kept = select_units(pruned.scores, options.budget);
  for (size_t layer = 0; layer < blocks.size(); layer++) {
    job.check();
    model.resize_block(layer, cut_rows(blocks[layer], pruned.kept[layer]));
  }
  return pruned;
}

}  // namespace tongueforge::compress
