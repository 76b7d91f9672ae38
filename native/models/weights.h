// Between tensors of a model and files of a model folder.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "core/job.h"
#include "models/model.h"
#include "nn/quantized.h"

namespace tongueforge::models {

using NamedTensor = std::pair<std::string, at::Tensor>;

/// Reads every weight of a model folder into a model made of its spec, on `device` and converted to `dtype`,
/// or as each is stored: then it may not be able to run; those named `in_float32` are float32 whatever the
/// others are. `packing`: how quantised weights have to be packed, if anything is known of it. Emits {unread:
/// names} of tensors that belong to a head which this model does not have. Throws ERR_MISSING_TENSOR,
/// ERR_UNEXPECTED_TENSOR, ERR_SHAPE_MISMATCH, each naming the tensors, and ERR_TIED_WEIGHTS where the folder
/// holds two different ones for one.
void load_weights(Model& model, const std::string& folder, std::optional<at::ScalarType> dtype,
                  at::Device device, Job& job, const std::set<std::string>& in_float32 = {},
                  const std::optional<nn::Packing>& packing = std::nullopt);

/// What load_weights() would refuse of names and shapes, from headers alone: no weight is read. Throws the
/// same.
void check_weights(Model& model, const std::string& folder);

/// Writes the weights into `folder` as `dtype`, sharded where they exceed max_shard_bytes. Returns the bytes
/// written.
int64_t save_weights(const Model& model, const std::string& folder, at::ScalarType dtype,
                     int64_t max_shard_bytes, Job& job);

/// Writes tensors, in any layout and as they are, into one safetensors file: optimizer states, small extras.
void save_tensors(const std::string& path, const std::vector<NamedTensor>& tensors, Job& job);

/// All tensors of one safetensors file.
std::vector<NamedTensor> load_tensors(const std::string& path, Job& job);

/// Throws ERR_SAFETENSORS for the types libtorch cannot hold.
at::ScalarType scalar_type(DType dtype, const std::string& tensor);
DType dtype_of(at::ScalarType type);

/// From "float32" | "bfloat16" | "float16". Throws ERR_USAGE.
at::ScalarType scalar_type_from_name(const std::string& name);

}  // namespace tongueforge::models
