// Where the documents of packed rows lie.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace tongueforge::kernels {

/// Places begin .. begin+length-1 of a row.
struct PackedDocument {
  int64_t row, begin, length;
};

/// Runs of one number in segments (B,T) int64, the longest first; negative numbers are padding and no
/// document.
std::vector<PackedDocument> packed_documents(const at::Tensor& segments_BT);

/// Number of each place within its run, (B,T) int64: 0 1 2 | 0 1 | 0 ...
at::Tensor packed_positions(const at::Tensor& segments_BT);

}  // namespace tongueforge::kernels
