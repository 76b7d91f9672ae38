// Between the CPU, where batches are made, and the device of a model.
#pragma once
#include <ATen/core/Tensor.h>

namespace tongueforge::kernels {

/// The same tensor where that is its device; else a copy, through pinned memory and in the order of the
/// device's stream: the CPU does not wait for what the device has still to do. `host` may be changed at once.
at::Tensor to_device(const at::Tensor& host, at::Device device);

/// Overwrites a tensor on a device likewise.
void copy_to_device(const at::Tensor& there, const at::Tensor& host);

}  // namespace tongueforge::kernels
