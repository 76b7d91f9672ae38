// Memory of a GPU, as its driver and libtorch's allocator count it.
#pragma once
#include <c10/core/Device.h>

#include <cstdint>

namespace tongueforge::kernels {

/// In bytes, for tensors and what else a process needs.
struct DeviceRoom {
  int64_t total = 0;      // that the GPU has
  int64_t available = 0;  // what nobody has, and what this process keeps for later use
};

/// Of a CUDA device; makes it ready for use, which takes a moment the first time.
DeviceRoom device_room(at::Device device);

/// In bytes, of tensors of this process.
struct DeviceUse {
  int64_t used = 0, peak = 0;  // now, and at the most since begin_peak()
};

/// Of a CUDA device.
DeviceUse device_use(at::Device device);

/// From now on `peak` is counted anew. Nothing for the CPU.
void begin_peak(at::Device device);

/// Gives back to the driver what is kept for later use. Nothing for the CPU.
void release_kept(at::Device device);

}  // namespace tongueforge::kernels
