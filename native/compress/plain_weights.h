// What every technique asks of the weights that it is to change.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "models/block.h"

namespace tongueforge::compress {

/// Throws ERR_ADAPTER where an adapter stands on a linear layer: it was trained on the weights as they are,
/// and merged later it would fill in what pruning has left empty.
void check_no_adapter(const models::Projection& projection);

/// Throws where the weights of a block are not free to be cut: ERR_ADAPTER under an adapter, ERR_CONFIG where
/// they are executed in another form.
void check_cuttable(const models::Block& block);

/// Throws ERR_NON_FINITE, with the name, for weights that hold NaN or infinity.
void check_finite_weights(const std::string& name, const at::Tensor& weight);

/// Throws ERR_NON_FINITE: what goes into the layer of this name on the calibration rows holds NaN or
/// infinity.
[[noreturn]] void throw_non_finite_inputs(const std::string& name);

}  // namespace tongueforge::compress
