// One forward and backward pass of an op, as the harness and the bench run it.
#pragma once
#include "op_case.h"

namespace tongueforge::test {

/// The floating tensors in `dtype`, the others as they are; all are new tensors without a graph.
Tensors in_dtype(const Tensors& inputs, at::ScalarType dtype);

/// The same values, each tensor of two dimensions or more as a transposed view of another layout.
Tensors transposed_layout(const Tensors& inputs);

/// The same values, each tensor of which the last dimension is dense, but no row begins at an address that a
/// wide access may take: views of a longer row each, from its second element on.
Tensors unaligned_layout(const Tensors& inputs);

/// On another device; undefined ones stay so.
Tensors on_device(const Tensors& tensors, at::Device device);

struct Pass {
  Tensors outputs;    // without a graph
  Tensors gradients;  // of the floating inputs, in order; undefined where nothing flows
};

/// Runs op on inputs that require gradients and pulls `cotangents` back, one for each output, of its shape.
Pass run(const Op& op, const Tensors& inputs, const Tensors& cotangents);

/// Cotangents for the outputs of `op`, in float64.
Tensors draw_cotangents(const Op& op, const Tensors& inputs, Draw& draw);

}  // namespace tongueforge::test
