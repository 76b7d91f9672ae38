// Outputs and inputs of linear layers leave for good: smaller tensors, the same numbers.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "nn/linear.h"

namespace tongueforge::nn {

/// Of every `width` places in a row (one unit) along `dim` only those of the units `kept` stay. Nothing is
/// touched where all stay, nor where the tensor is undefined.
void keep_units(at::Tensor& tensor, int64_t dim, const std::vector<int64_t>& kept, int64_t width = 1);

/// The same for outputs: (O,I) -> (O',I), with their bias. Of a factored layer the outer factor is cut.
void keep_outputs(Linear& linear, const std::vector<int64_t>& kept, int64_t width = 1);

/// And for inputs: (O,I) -> (O,I'). The bias is of the outputs and stays.
void keep_inputs(Linear& linear, const std::vector<int64_t>& kept, int64_t width = 1);

}  // namespace tongueforge::nn
