// The GPUs of this machine.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace tongueforge::kernels::cuda {

struct Device {
  int index;             // the N of "cuda:N"
  std::string name;      // "NVIDIA H100 80GB HBM3"
  int64_t memory_bytes;  // all of it, in use or not
  int major, minor;      // compute capability
};

struct Devices {
  std::vector<Device> list;
  std::string problem;  // why the list is empty, in CUDA's words
};

/// The CUDA devices in CUDA's order. Takes none into use; without a driver, a GPU or a build for CUDA the
/// list is empty.
Devices devices();

}  // namespace tongueforge::kernels::cuda
