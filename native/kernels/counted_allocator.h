// libtorch's memory for tensors on the CPU, counted: core/live_memory.h.
#pragma once

namespace tongueforge::kernels {

/// From here on every tensor on the CPU is counted; tensors that are already there are not. Called again, it
/// does nothing.
void count_cpu_tensors();

}  // namespace tongueforge::kernels
