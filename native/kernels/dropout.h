// Values that are left out while a model learns (Srivastava et al. 2014, JMLR 15).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tongueforge::kernels {

/// Which values are dropped is a pure function of key and place, so that a resumed run drops the same ones
/// and the backward pass stores no mask.
struct DropoutKey {
  double rate = 0;  // 0 = nothing is dropped
  uint64_t key = 0;
};

/// x (contiguous float32) with values dropped at `rate`, the others divided by 1 - rate; not differentiable.
at::Tensor drop(const at::Tensor& x, const DropoutKey& dropout);

/// The same of plain operators, to the bit, on any device.
at::Tensor drop_reference(const at::Tensor& x, const DropoutKey& dropout);

/// The same for x of any dtype, differentiable: backward drops the same places.
at::Tensor dropped(const at::Tensor& x, const DropoutKey& dropout);

}  // namespace tongueforge::kernels
