// The product of an adapter's factors that counts beside a tensor of a model, row by row.
#pragma once
#include <cstdint>

#include "merge/config/merge_model.h"
#include "merge/stream/piece.h"

namespace tongueforge::merge {

/// Adds rows [row, row + num_rows) of the product to as many in `to`, each rounded once to float32. Nothing
/// where the tensor has no product.
void add_product(const ModelTensor& tensor, uint64_t row_elements, int64_t row, uint64_t num_rows, float* to,
                 Workspace& workspace, PieceSums& sums);

}  // namespace tongueforge::merge
