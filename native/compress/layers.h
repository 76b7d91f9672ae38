// Whole blocks leave: those that change the residual stream least. Block influence is 1 - E cos(x_l, x_{l+1})
// (ShortGPT, Men et al. 2024, arXiv 2403.03853); a contiguous stretch is chosen by the angle between what
// goes in and what comes out, arccos(cos(x_l, x_{l+n})) / pi (Gromov et al. 2024, arXiv 2403.17887, who look
// at the last token; here it is the mean over all).
#pragma once
#include <cstdint>
#include <vector>

#include "compress/calibration_rows.h"
#include "core/job.h"
#include "models/model.h"

namespace tongueforge::compress {

enum class LayerCriterion : uint8_t {
  influence,  // the layers of least influence, wherever they are
  angle,      // the neighbouring layers that turn the stream least
};

/// In the numbering of before.
struct DroppedLayers {
  /// influence: of each layer. angle: of each stretch of as many layers as go, by its first.
  std::vector<double> scores;
  std::vector<int64_t> kept;
};

/// 1 - the mean cosine between what goes into each layer and what comes out, over all tokens.
std::vector<double> block_influences(models::Model& model, const CalibrationRows& rows, Job& job);

/// Of each stretch of `span` layers, the mean angle between what goes in and what comes out, in half turns.
std::vector<double> stretch_angles(models::Model& model, int64_t span, const CalibrationRows& rows, Job& job);

/// Removes `count` layers from a model in memory; of equal scores the first stay. Throws ERR_CONFIG unless at
/// least one is left.
DroppedLayers drop_layers(models::Model& model, LayerCriterion criterion, int64_t count,
                          const CalibrationRows& rows, Job& job);

/// Removes all but these, ascending, whatever they do.
DroppedLayers keep_layers(models::Model& model, const std::vector<int64_t>& kept);

}  // namespace tongueforge::compress
