#include "kernels/transfer.h"

#include "kernels/aten.h"

namespace tongueforge::kernels {

at::Tensor to_device(const at::Tensor& host, at::Device device) {
  if (host.device() == device) return host;
  if (!host.is_cpu() || !device.is_cuda()) return host.to(device);
  // The cache of pinned memory keeps the copy until the stream has read it.
  return host.pin_memory().to(device, host.scalar_type(), /*non_blocking=*/true);
}

void copy_to_device(const at::Tensor& there, const at::Tensor& host) {
  there.copy_(there.is_cuda() ? host.pin_memory() : host, /*non_blocking=*/true);
}

}  // namespace tongueforge::kernels
