// What the losses of a language model's head take.
#pragma once
#include <ATen/core/Tensor.h>

#include "core/job.h"

namespace tongueforge::kernels {

/// How the rows are cut.
struct ChunkOptions {
  int64_t rows = 0;          // rows of logits that exist at once; 0: chosen for speed
  const Job* job = nullptr;  // asked before each chunk of the forward pass whether it was cancelled
};

/// What makes logits: hidden weight^T + bias.
struct HeadInputs {
  at::Tensor hidden;  // (M,D)
  at::Tensor weight;  // (V,D)
  at::Tensor bias{};  // (V), or undefined
};

}  // namespace tongueforge::kernels
