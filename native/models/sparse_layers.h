// Which linear layers of a model are faster as their non-zeros alone: found by timing each.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/job.h"
#include "models/model.h"
#include "models/timed_products.h"
#include "nn/sparse.h"

namespace tongueforge::models {

struct SparseLayer {
  std::string name;  // on disk
  double zeros = 0;  // share of its weights
  ProductTimes one, more;
  nn::RowUse use;  // where it pays
};

/// Below this share of zeros nothing was ever faster (bench/csr_product.md); such layers are not timed.
constexpr double kLeastZeros = 0.4;

/// Times every linear layer of the blocks that is a float32 matrix with enough zeros, with one row and with
/// `rows` rows of random inputs, and has those multiply their non-zeros for which it pays. Gives the layers
/// that were timed. Which they are may differ from run to run; results agree to rounding. Asks the job
/// between layers.
std::vector<SparseLayer> use_sparse_layers(Model& model, int64_t rows, Job& job);

}  // namespace tongueforge::models
