// What a model says is told only where it is numbers.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::encode {

/// Numbers (N,...) on the CPU in float32, of rows `first_row` and on. Throws ERR_NON_FINITE that names the
/// row where one is NaN or infinite.
at::Tensor finite(const at::Tensor& numbers, size_t first_row, const char* what);

}  // namespace tongueforge::encode
