// A few values of the base that lie in a delta file, to tell later whether another model descends from it.
#pragma once
#include <cstdint>
#include <vector>

#include "checkpoint/model_weights.h"
#include "merge/delta/delta_file.h"

namespace tongueforge::merge {

/// Where a tensor of n elements is sampled: at floor(frac(i * (sqrt(5) - 1) / 2) * n) for i below min(n, 64),
/// which falls evenly and on no column more than on others; in exact arithmetic i * 0x9e3779b97f4a7c15 mod
/// 2^64, times n, divided by 2^64.
std::vector<uint64_t> sample_positions(uint64_t num_elements);

/// How far a model is from the base of a delta.
struct BaseDistance {
  /// The median over the matrices of |model - base| / |base| at the samples: 0 for the base itself, far below
  /// 1 for what was trained on from it, 1 and more for a model that has nothing to do with it. NaN where no
  /// matrix can be compared.
  double median = 0;
  uint64_t num_tensors = 0;
};

/// Compares what has the same name and shape in both; 16-bit and 8-bit floats as they are rounded.
BaseDistance distance_from_base(const DeltaFile& delta, const checkpoint::ModelWeights& model);

}  // namespace tongueforge::merge
