// One matrix in whole numbers: each weight to the nearest value, or by GPTQ (Frantar et al. 2022, arXiv
// 2210.17323), where those to its right make up for the rounding. Letters: R rows (outputs), C columns
// (inputs), G groups.
#pragma once
#include <ATen/core/Tensor.h>

#include "compress/grid.h"
#include "compress/inverse_factor.h"
#include "core/job.h"
#include "nn/quantized.h"

namespace tongueforge::compress {

struct QuantizeSettings {
  GridKind kind;
  int64_t group = 0;  // inputs that share a grid; 0: all of an output
};

/// Throws ERR_CONFIG where groups do not divide the columns; `name` is the matrix in the message.
void check_group(const std::string& name, int64_t columns, int64_t group);

/// weight_RC float32, dense, not changed. The error of a weight is at most half a scale (and what bfloat16
/// rounds); exact zeros stay.
nn::Quantized round_to_nearest(const at::Tensor& weight_RC, const QuantizeSettings& settings);

/// The grid of a group is laid when its first column is reached, over what its weights have become by then;
/// that of whole rows over the weights as they are given. Weights that are 0 stay so. H = cI makes it
/// round_to_nearest.
nn::Quantized round_by_inputs(const at::Tensor& weight_RC, const InverseFactor& factor,
                              const QuantizeSettings& settings, const Job& job);

}  // namespace tongueforge::compress
