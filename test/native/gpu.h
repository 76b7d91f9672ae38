// Tests that need a GPU. Their names begin with "cuda:".
#pragma once
#include "models/device.h"
#include "testing.h"

namespace tongueforge::test {

/// The GPU that tests run on, or nothing: then it is said that the test is skipped, and why.
inline std::optional<at::Device> gpu() {
  if (models::num_gpus() > 0) return at::Device(at::kCUDA, 0);
  MESSAGE("skipped: libtorch sees no GPU here");
  return std::nullopt;
}

}  // namespace tongueforge::test
