// What a training holds in memory, and how its end is told where that was too much.
#pragma once
#include <c10/core/Device.h>
#include <c10/util/Exception.h>

#include <cstdint>

#include "core/error.h"
#include "kernels/device_memory.h"

namespace tongueforge::train {

/// In bytes.
struct MemoryUse {
  int64_t weights = 0;    // of the model, and what a loss holds beside it
  int64_t masters = 0;    // float32 values of weights that are of 16 bits
  int64_t state = 0;      // of the optimizer, and masks
  int64_t gradients = 0;  // summed over micro-batches

  int64_t total() const { return weights + masters + state + gradients; }
};

/// The GPU of a step that failed, as its counters are.
struct Gpu {
  at::Device device;
  kernels::DeviceRoom room = kernels::device_room(device);
  kernels::DeviceUse use = kernels::device_use(device);
};

/// ERR_OUT_OF_MEMORY for a step that found no room on a GPU: what it asked for, and what takes how much.
Error out_of_memory(const c10::OutOfMemoryError& error, const MemoryUse& use, const Gpu& gpu);

}  // namespace tongueforge::train
