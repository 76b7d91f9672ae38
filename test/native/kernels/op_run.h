// One forward and backward pass of an op, as the harness and the bench run it.
#pragma once
#include "op_case.h"

namespace tongueforge::test {

/// The floating tensors in `dtype`, the others as they are; all are new tensors without a graph.
Tensors in_dtype(const Tensors& inputs, at::ScalarType dtype);

/// The same values, each tensor of two dimensions or more as a transposed view of another layout.
Tensors transposed_layout(const Tensors& inputs);

struct Pass {
  Tensors outputs;    // without a graph
  Tensors gradients;  // of the floating inputs, in order; undefined where nothing flows
};

/// Runs op on inputs that require gradients and pulls `cotangents` back, one for each output, of its shape.
Pass run(const Op& op, const Tensors& inputs, const Tensors& cotangents);

/// Cotangents for the outputs of `op`, in float64.
Tensors draw_cotangents(const Op& op, const Tensors& inputs, Draw& draw);

}  // namespace tongueforge::test
