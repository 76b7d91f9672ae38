#include "kernels/device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "kernels/aten.h"
#include "kernels/recording_lock.h"

namespace tongueforge::kernels {
namespace {

c10::DeviceAllocator& allocator_of(at::Device device) { return *c10::getDeviceAllocator(device.type()); }

}  // namespace

DeviceRoom device_room(at::Device device) {
  const auto ready = at::empty({1}, at::device(device));  // an allocator that was never asked has no figures
  auto& allocator = allocator_of(device);
  const auto [free, total] = allocator.getMemoryInfo(device.index());
  const auto stats = allocator.getDeviceStats(device.index());
  const int64_t kept = stats.reserved_bytes[0].current - stats.allocated_bytes[0].current;
  return {static_cast<int64_t>(total), static_cast<int64_t>(free) + kept};
}

DeviceUse device_use(at::Device device) {
  const auto stats = allocator_of(device).getDeviceStats(device.index());
  return {stats.allocated_bytes[0].current, stats.allocated_bytes[0].peak};
}

void begin_peak(at::Device device) {
  if (device.is_cuda()) allocator_of(device).resetPeakStats(device.index());
}

void release_kept(at::Device device) {
  if (!device.is_cuda()) return;
  const std::lock_guard alone(recording_mutex());
  allocator_of(device).emptyCache();
}

}  // namespace tongueforge::kernels
