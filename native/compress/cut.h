// Outputs and inputs of linear layers leave for good: smaller tensors, the same numbers.
#pragma once
#include <cstdint>
#include <vector>

#include "models/model.h"

namespace tongueforge::compress {

/// Throws where the weights of a block are not free to be cut: ERR_ADAPTER under an adapter, ERR_CONFIG where
/// they are executed in another form.
void check_cuttable(const models::Block& block);

/// Of every `width` outputs in a row (one unit) only those of the units `kept` stay: (O,I) -> (O',I), with
/// their bias. Of a factored layer the outer factor is cut. Nothing is touched where all stay.
void keep_outputs(nn::Linear& linear, const std::vector<int64_t>& kept, int64_t width = 1);

/// The same for inputs: (O,I) -> (O,I'). The bias is of the outputs and stays.
void keep_inputs(nn::Linear& linear, const std::vector<int64_t>& kept, int64_t width = 1);

}  // namespace tongueforge::compress
