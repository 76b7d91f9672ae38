// Which linear layers of a quantised model multiply their whole numbers: found by timing each, or all for
// memory.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/job.h"
#include "models/model.h"
#include "models/timed_products.h"
#include "nn/quantized_execution.h"

namespace tongueforge::models {

struct PackedLayer {
  std::string name;  // on disk
  int64_t bits = 0;
  ProductTimes one, more;
  nn::RowUse use;
};

/// Times every linear layer of the blocks that is bfloat16 on the CPU and has a packed product, with one row,
/// in passes over all of them, and with `rows` rows, of random inputs, and has those multiply their codes for
/// which it pays. Gives the layers that were timed. keep_weights false: their weights leave memory; one row
/// is always multiplied packed, more are where that is faster than making the weight anew. Which way is taken
/// may differ from run to run; results agree to rounding. Asks the job between layers.
std::vector<PackedLayer> use_packed_layers(Model& model, bool keep_weights, int64_t rows, Job& job);

}  // namespace tongueforge::models
