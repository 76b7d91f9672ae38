// The tensors of a model under their names on disk.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "nn/layer_norm.h"
#include "nn/linear.h"

namespace tongueforge::models {

/// position: a table of places or of types. convolution: (outputs,inputs,places), with as many inputs as a
/// group has. positional: one that tells places of their neighbours. kept: read and written, but part of
/// nothing that we compute, so never trained.
enum class ParameterKind {
  embedding,
  position,
  head,
  norm,
  bias,
  matrix,
  convolution,
  positional,
  attention_output,
  mlp_output,
  kept
};

/// One tensor of the model under its name on disk. The outputs are the matrices that write into the residual
/// stream.
struct Parameter {
  std::string name;
  at::Tensor* tensor;
  std::vector<int64_t> shape;
  ParameterKind kind;
  nn::Linear* linear = nullptr;  // the layer of which it is the weight: what an adapter may be put on
};

/// Appends the tensors of a linear layer (out, in): its weight, or X.in.weight (R,in) and X.out.weight
/// (out,R) where it is factored, and its bias where it has one.
void append_linear(std::vector<Parameter>& all, const std::string& name, nn::Linear& linear, int64_t out,
                   int64_t in, bool bias, ParameterKind kind);

/// Appends scale and shift of a layer norm.
void append_norm(std::vector<Parameter>& all, const std::string& name, nn::LayerNorm& norm, int64_t size);

}  // namespace tongueforge::models
