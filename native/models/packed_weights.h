// Weights that a folder holds as whole numbers: the tensors beside X.weight that stand for it: see
// nn/quantized.h.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "models/named_weights.h"
#include "nn/quantized.h"

namespace tongueforge::models {

/// Whether a folder has whole numbers in place of this parameter.
bool is_packed(const NamedWeights& named, const Parameter& parameter);

/// Names of what a parameter is read from: itself, or what it was quantised to.
std::vector<std::string> stored_names(const NamedWeights& named, const Parameter& parameter);

/// Of a parameter that is packed as `packing` says, if it says anything. Throws ERR_SHAPE_MISMATCH,
/// ERR_MISSING_TENSOR for zero points, ERR_UNEXPECTED_TENSOR where none should be packed.
nn::Quantized read_packed(const NamedWeights& named, const Parameter& parameter,
                          const std::optional<nn::Packing>& packing, const Job& job);

/// What a parameter is written as: itself in this dtype, or what it was quantised to, as that is.
std::vector<std::pair<checkpoint::TensorSpec, at::Tensor>> stored_tensors(const Parameter& parameter,
                                                                          at::ScalarType dtype);

/// A weight X.weight of a folder.
struct PackedWeight {
  std::string name;
  std::vector<std::string> stored_as;  // names of its tensors
  nn::Quantized quantized;
};

/// Calls visit(PackedWeight) for all that a folder holds, in the order of its files.
void for_packed_weights(const std::string& folder, const Job& job,
                        const std::function<void(const PackedWeight&)>& visit);

}  // namespace tongueforge::models
