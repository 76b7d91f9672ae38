// The GPU of the tests of CUDA code. Where there is none, each of them says so and does nothing:
//   TEST_CASE("... on cuda ...") {
//     const auto device = cuda_device();
//     if (!device) return;
#pragma once
#include <optional>

#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/cuda/glue.h"

namespace tongueforge::test {

constexpr const char* kNoGpu = kernels::cuda::kBuilt ? "no GPU on this machine" : "a build without CUDA";

/// The first GPU, where this build has CUDA and the machine has one.
inline std::optional<at::Device> first_gpu() {
  if (kernels::cuda::kBuilt && at::hasCUDA()) return at::Device(at::kCUDA, 0);
  return std::nullopt;
}

/// The same, for a test case: without one it is told.
inline std::optional<at::Device> cuda_device() {
  const auto device = first_gpu();
  if (!device) MESSAGE("not run: ", std::string(kNoGpu));
  return device;
}

}  // namespace tongueforge::test
