#include "models/device.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <algorithm>

#include "core/error.h"
#include "kernels/aten.h"
#include "models/adapters.h"

namespace tongueforge::models {
namespace {

constexpr std::string_view kGpu = "cuda";

[[noreturn]] void refuse(const std::string& name) {
  throw Error("ERR_USAGE", str("Expected device cpu, cuda or cuda:N, received '", name, "'"));
}

/// 0 for cuda alone.
int64_t number_of(const std::string& name) {
  if (name == kGpu) return 0;
  const auto digits = name.substr(std::min(kGpu.size() + 1, name.size()));
  const bool is_number =
      !digits.empty() && digits.size() <= 3 &&
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!name.starts_with(str(kGpu, ":")) || !is_number) refuse(name);
  return std::stoll(digits);
}

}  // namespace

int64_t num_gpus() {
  if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) return 0;
  return c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount();
}

at::Device device_from_name(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  const int64_t number = number_of(name), there = num_gpus();
  if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA))
    throw Error("ERR_DEVICE", str("Expected a device of this build, which runs on the CPU, received ", name),
                "Leave device out, or build for CUDA: docs/cuda.md.", {{"device", name}});
  if (number >= there)
    throw Error("ERR_DEVICE", str("Expected one of the ", there, " GPUs of this machine, received ", name),
                there == 0 ? "tongueforge doctor says what is found: is there a driver, and a GPU to see?"
                           : str("They are numbered from cuda:0 to cuda:", there - 1, "."),
                {{"device", name}});
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(number));
}

void move_to(Model& model, at::Device device) {
  const at::NoGradGuard no_grad;
  for (const auto& parameter : model.parameters()) *parameter.tensor = parameter.tensor->to(device);
  for (const auto& parameter : adapter_parameters(model)) *parameter.tensor = parameter.tensor->to(device);
}

}  // namespace tongueforge::models
