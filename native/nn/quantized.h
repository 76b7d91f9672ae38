// A weight as whole numbers: w = (code - zero) * scale, one scale and zero for each group of an output's
// inputs; and the tensors that it is stored in, those of compressed-tensors' layout "pack-quantized".
// Letters: O outputs, I inputs, G groups of each output.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "nn/codes.h"

namespace tongueforge::nn {

/// How a folder says that its weights are packed.
struct Packing {
  int64_t bits = 0;       // 0: none is packed
  int64_t group = 0;      // inputs that share a scale; 0: all of an output
  bool symmetric = true;  // else each group has a zero point
};

struct Quantized {
  Codes codes;
  at::Tensor scales_OG;       // of the dtype that products have; G divides I
  at::Tensor maybe_zeros_OG;  // int8, as codes; undefined: 0, the grid is symmetric

  /// (O,I) of the scales' dtype: rounded where that cannot hold a product.
  at::Tensor dense() const;
  /// Memory of its numbers.
  int64_t bytes() const;
};

/// What a quantised weight X.weight is stored as: {"weight_packed", int32 (O, I*bits/32 rounded up)},
/// {"weight_scale", (O,G)}, {"weight_shape", int64 (2)}, {"weight_zero_point", int32 (O*bits/32 rounded up,
/// G)}; words as pack_rows makes them.
std::vector<std::pair<std::string, at::Tensor>> packed(const Quantized& weight);

/// As stored under these names; maybe_zero_point may be undefined.
struct PackedTensors {
  at::Tensor weight_packed, weight_scale, weight_shape, maybe_zero_point;
};

/// The way back; `name` is the weight in messages. Bits and groups follow from the shapes. Throws
/// ERR_SHAPE_MISMATCH where they do not fit each other, or no layout of 4 or 8 bits.
Quantized unpacked(const PackedTensors& tensors, const std::string& name);

}  // namespace tongueforge::nn
