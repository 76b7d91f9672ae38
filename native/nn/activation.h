// The functions between the two halves of a feed-forward block.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

namespace tongueforge::nn {

enum class Activation { gelu, gelu_tanh, relu };

/// From the name in config.json: gelu; gelu_new, gelu_pytorch_tanh, gelu_fast (one function, by tanh); relu.
/// Throws ERR_MODEL_CONFIG for others.
Activation activation_from_name(const std::string& name);

/// (...) -> (...)
at::Tensor activated(const at::Tensor& x, Activation activation);

}  // namespace tongueforge::nn
