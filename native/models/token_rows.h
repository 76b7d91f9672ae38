// Lists of token ids from outside, checked and as tensors.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace tongueforge::models {

/// Throws ERR_DATA naming the row and place of an id outside 0 .. vocab_size-1, or of an empty row.
void check_token_rows(const std::vector<std::vector<int32_t>>& rows, int64_t vocab_size);

/// Rows of equal length -> (B,T) int64. Throws ERR_DATA for rows of unequal length, and for none.
at::Tensor stack_rows(const std::vector<std::vector<int32_t>>& rows);

}  // namespace tongueforge::models
