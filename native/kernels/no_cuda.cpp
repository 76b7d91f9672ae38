// Answers in a build without CUDA for what the CUDA files offer that is called without asking cuda::has_twin
// first.
#include "kernels/cuda/devices.h"

namespace tongueforge::kernels::cuda {

Devices devices() { return {{}, "this build has no CUDA"}; }

}  // namespace tongueforge::kernels::cuda
