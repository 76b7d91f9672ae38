// How the harness compares an op with its plain composition, on the CPU and on a GPU.
#pragma once
#include "op_run.h"

namespace tongueforge::test {

constexpr Tolerance kFloat64Sums{1e-12, 1e-12, "sums in another order, in float64"};

/// CHECKs that `received`, of any dtype and device, is near `expected`, float64 on the CPU.
void check_close(const at::Tensor& received, const at::Tensor& expected, const Tolerance& tolerance);

/// What a pass has to give: the plain composition in float64, on the values and cotangents that the fused
/// code sees in `dtype`. Its error alone is measured.
struct Expected {
  Tensors inputs;      // in dtype
  Tensors cotangents;  // float64, of values that dtype has
  Pass pass;

  Expected(const OpCase& op, const Tensors& inputs, at::ScalarType dtype, Draw& draw);
  void check(const Pass& received, const Tolerance& tolerance) const;
};

bool finite_at_the_same_places(const at::Tensor& a, const at::Tensor& b);

/// CHECKs that a NaN or an infinity in one input comes out of the fused code on `device` where it comes out
/// of the plain composition on the CPU.
void check_spoilt_inputs(const OpCase& op, const Tensors& inputs, at::ScalarType dtype, at::Device device,
                         Draw& draw);

/// body(op, inputs, draw) for these shapes of every op, captured for doctest's messages.
using Sizes = std::vector<std::vector<int64_t>>;
void for_each_size(const std::function<Sizes(const OpCase&)>& sizes,
                   const std::function<void(const OpCase&, const Tensors&, Draw&)>& body);

}  // namespace tongueforge::test
