// How fast this machine multiplies matrices: what a model's arithmetic is held against (model FLOPs
// utilisation).
#pragma once
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "core/job.h"

namespace tongueforge::kernels {

/// Floating-point operations a second of a square product of 1024 (2 * 1024^3 each), on a GPU of 8192: the
/// best of what fits into `seconds`, at least three; on as many threads as the caller has set.
double measure_matmul_rate(c10::ScalarType dtype, c10::Device device, double seconds, const Job& job);

}  // namespace tongueforge::kernels
