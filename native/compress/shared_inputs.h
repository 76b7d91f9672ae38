// Which matrices of a block multiply with one and the same input: what is gathered of it is gathered once.
#pragma once
#include <ATen/core/Tensor.h>

#include <set>
#include <string>
#include <vector>

#include "models/block.h"

namespace tongueforge::compress {

/// A tensor of a linear layer: its weight, or one of its factors.
struct Matrix {
  std::string name;  // on disk
  at::Tensor* weight;
  nn::Linear* maybe_layer = nullptr;  // what comes out of it is W x: no bias, no other factor after it
};

struct SharedInput {
  std::string name;  // of the first layer that it goes into, for messages
  nn::Linear* linear;
  at::Tensor maybe_inner;  // defined: not x is the input, but x inner^T, what the first factor makes of it
  std::vector<Matrix> matrices;  // (out, C) each

  /// C
  int64_t size() const { return matrices.front().weight->size(1); }
};

/// "layers.3.self_attn.q_proj": number of a block and name of a linear layer within it, whatever the model.
std::string layer_key(const models::Block& block, size_t number, const models::Projection& projection);

/// The linear layers of a block, those together that multiply with one and the same input.
std::vector<std::vector<models::Projection>> by_input(const models::Block& block);

/// Those inputs of a block that go into layers of these keys: q, k and v share one, gate and up another.
std::vector<SharedInput> shared_inputs(const models::Block& block, size_t number,
                                       const std::set<std::string>& layers);

}  // namespace tongueforge::compress
