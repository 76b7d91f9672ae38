// Memory for what is read from end to end for every token: on large pages, where the system gives them, the
// processor reads it faster (bench/generate.md), since it looks up fewer addresses.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// Uninitialised, dense, on the CPU. Large tensors take whole large pages, and never more memory than they
/// have bytes; a system without such pages gives plain ones.
at::Tensor empty_weight(at::IntArrayRef sizes, at::ScalarType dtype);

}  // namespace tongueforge::kernels
