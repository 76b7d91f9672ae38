// How much the loss depends on what flows into linear layers: <x, dL/dx> of each unit of an input x. It is
// the derivative of the loss by a factor in front of the unit (dL/dxi at xi = 1), and so to first order what
// the loss would lose with it.
#pragma once
#include <cstdint>
#include <vector>

#include "compress/calibration_rows.h"
#include "compress/unit_selection.h"
#include "core/job.h"
#include "models/model.h"

namespace tongueforge::compress {

/// Units of `width` values each in the input of a linear layer.
struct Watched {
  nn::Linear* linear;
  int64_t width;
};

/// Where the absolute value is taken: of each place by itself (Lin et al., arXiv 2211.09949), or of the sum
/// over a document (Michel et al. 2019, arXiv 1905.10650).
enum class SensitivityKind : uint8_t { place, document };

/// Of each watched layer, of each of its units, in float64: the sum of |<x, dL/dx>| over all places or
/// documents, divided by the length of the layer's scores (L2), as both papers do.
Scores sensitivities(models::Model& model, const std::vector<Watched>& watched, SensitivityKind kind,
                     const CalibrationRows& rows, Job& job);

}  // namespace tongueforge::compress
