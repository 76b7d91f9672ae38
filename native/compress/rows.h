// Hidden units of feed-forward layers leave: rows of gate and up (or fc1) with their columns of down (or
// fc2). By magnitude, as "row pruning" of Lin et al. (arXiv 2211.09949), or by activation, as Minitron
// (Muralidharan et al. 2024, arXiv 2407.14679).
#pragma once
#include <cstdint>
#include <vector>

#include "compress/calibration_rows.h"
#include "compress/unit_selection.h"
#include "core/job.h"
#include "models/model.h"

namespace tongueforge::compress {

enum class RowCriterion : uint8_t {
  l1,          // |weights| of its rows and its column, |biases| of its rows
  activation,  // mean |activation| over the tokens
  taylor,      // sensitivity of each document
};

struct RowOptions {
  RowCriterion criterion = RowCriterion::l1;
  UnitBudget budget;  // in rows; keep is of each layer
};

/// By layer, in the numbering of before.
struct PrunedRows {
  Scores scores;
  KeptUnits kept;
};

/// Of each layer, of each of its hidden units.
Scores row_scores(models::Model& model, RowCriterion criterion, const CalibrationRows& rows, Job& job);

/// Removes hidden units from a model in memory. Throws as prune_heads.
PrunedRows prune_rows(models::Model& model, const RowOptions& options, const CalibrationRows& rows, Job& job);

}  // namespace tongueforge::compress
