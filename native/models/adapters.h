// Low-rank adapters on a model, and between them and files in PEFT's format: adapter_model.safetensors.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/job.h"
#include "models/model.h"

namespace tongueforge::models {

/// Before every name in an adapter's file.
inline constexpr const char* kAdapterPrefix = "base_model.model.";

struct AdapterSpec {
  std::string module;  // "model.layers.0.self_attn.q_proj"
  int64_t rank = 0;
  double scale = 1;  // of B A: alpha / rank, or alpha / sqrt(rank)
};

/// Puts adapters on linear layers: A uniform within 1 / sqrt(inputs), which is PEFT's
/// kaiming_uniform_(a=sqrt(5)), B zero, so that the model still computes what it did. Same seed, same bits.
/// `dropout` is the rate while training. Throws ERR_UNEXPECTED_TENSOR for modules that are not linear layers
/// of the model.
void attach_adapters(Model& model, const std::vector<AdapterSpec>& adapters, double dropout, uint64_t seed);

/// A and B of every adapter under their names in PEFT's file, in the order of the forward pass.
std::vector<Parameter> adapter_parameters(Model& model);

/// Writes A and B of every adapter, and the model's own tensors of these names (PEFT's modules_to_save).
void save_adapters(Model& model, const std::vector<std::string>& also, const std::string& path, Job& job);

/// Reads such a file into the adapters that are attached; tensors of the model itself that it holds replace
/// those. Throws ERR_MISSING_TENSOR, ERR_UNEXPECTED_TENSOR, ERR_SHAPE_MISMATCH, each naming the tensors, and
/// ERR_TIED_WEIGHTS where the head is the embedding and the file holds two different ones.
void load_adapters(Model& model, const std::string& path, Job& job);

}  // namespace tongueforge::models
