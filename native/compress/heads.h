// Attention heads leave, with their rows of q, k and v and their columns of o: smaller matrices, a smaller
// cache. By the magnitude of their weights or by what the loss owes to them (Lin et al., arXiv 2211.09949;
// Michel et al. 2019, arXiv 1905.10650).
#pragma once
#include <cstdint>
#include <vector>

#include "compress/calibration_rows.h"
#include "compress/unit_selection.h"
#include "core/job.h"
#include "models/model.h"

namespace tongueforge::compress {

enum class HeadCriterion : uint8_t {
  l1,      // |weights| and |biases| of the head's rows of q, k and v
  data,    // sensitivity of each place by itself
  taylor,  // sensitivity of each document
};

/// What may leave a layer so that its key heads still serve equally many query heads: a key head with all its
/// query heads, or the j-th query head of every key head. Where each head has a key of its own, a group is a
/// head.
enum class HeadUnit : uint8_t { group, query };

struct HeadOptions {
  HeadCriterion criterion = HeadCriterion::data;
  HeadUnit unit = HeadUnit::group;
  UnitBudget budget;  // in units; keep is of each layer
};

/// By layer, in the numbering of before.
struct PrunedHeads {
  Scores scores;            // of query heads; empty where they were named
  KeptUnits kept, kept_kv;  // query heads, key heads
};

/// Of each layer, of each query head.
Scores head_scores(models::Model& model, HeadCriterion criterion, const CalibrationRows& rows, Job& job);

/// Removes heads from a model in memory. Throws ERR_CONFIG for what it does not have, ERR_ADAPTER where an
/// adapter stands on its weights.
PrunedHeads prune_heads(models::Model& model, const HeadOptions& options, const CalibrationRows& rows,
                        Job& job);

/// Removes all but these query heads of each layer, ascending, whatever they do, and the key heads that serve
/// none of them. Throws ERR_CONFIG unless at least one of each layer is left and the key heads that are left
/// serve equally many, ERR_ADAPTER as prune_heads; then nothing has changed.
PrunedHeads keep_heads(models::Model& model, const KeptUnits& heads);

}  // namespace tongueforge::compress
