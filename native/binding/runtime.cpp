// The addon itself: what it runs on, its jobs and its handles.
#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/to_js.h"
#include "kernels/cuda/devices.h"
#include "kernels/cuda/launch.h"
#include "kernels/device_memory.h"
#include "kernels/matmul_rate.h"
#include "models/device.h"
#include "models/weights.h"

namespace tongueforge::binding {

// runtimeInfo(): RuntimeInfo
Napi::Value runtime_info(const Napi::CallbackInfo& info) {
  const Value::Map facts = {{"torch_version", TONGUEFORGE_TORCH_VERSION},
                            {"threads", at::get_num_threads()},
                            {"gpus", models::num_gpus()},
                            {"cuda_kernels", static_cast<bool>(TONGUEFORGE_CUDA)},
                            {"cpu_capability", at::get_cpu_capability()}};
  napi_value result = nullptr;
  to_js(info.Env(), Value(facts), &result);
  return {info.Env(), result};
}

// cudaDevices(): CudaDevices
Napi::Value cuda_devices(const Napi::CallbackInfo& info) {
  const auto found = kernels::cuda::devices();
  Value::List devices;
  for (const auto& device : found.list)
    devices.emplace_back(Value::Map{{"device", str("cuda:", device.index)},
                                    {"name", device.name},
                                    {"memory_bytes", device.memory_bytes},
                                    {"compute_capability", str(device.major, ".", device.minor)}});
  napi_value result = nullptr;
  to_js(info.Env(), Value(Value::Map{{"devices", devices}, {"problem", found.problem}}), &result);
  return {info.Env(), result};
}

// matmulRate({dtype, device, seconds}, on_event): {flops_per_second}
Napi::Value matmul_rate(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [dtype = models::scalar_type_from_name(options.text("dtype")), device = options.text("device"),
       seconds = options.number("seconds")](Job& job) -> Value {
        const auto there = models::device_from_name(device);
        return Value::Map{{"flops_per_second", kernels::measure_matmul_rate(dtype, there, seconds, job)}};
      });
}

// describeGpu({device}, on_event): {name, total_bytes, available_bytes}
Napi::Value describe_gpu(const Napi::CallbackInfo& info) {
  return start_job(info, [name = Options(info[0]).text("device")](Job&) -> Value {
    const auto device = models::device_from_name(name);
    const auto room = kernels::device_room(device);
    const auto all = kernels::cuda::devices().list;
    const auto index = static_cast<size_t>(device.index());
    return Value::Map{{"name", index < all.size() ? all[index].name : ""},
                      {"total_bytes", room.total},
                      {"available_bytes", room.available}};
  });
}

// cancelJob(id: number): void
Napi::Value cancel_job(const Napi::CallbackInfo& info) {
  JobThread::cancel(info.Env(), info[0].As<Napi::Number>().Int64Value());
  return info.Env().Undefined();
}

// shutdownJobs(): void
Napi::Value shutdown_jobs(const Napi::CallbackInfo& info) {
  JobThread::shutdown(info.Env());
  return info.Env().Undefined();
}

// dispose(handle: Handle): void
Napi::Value dispose(const Napi::CallbackInfo& info) {
  dispose_handle(info[0]);
  return info.Env().Undefined();
}

}  // namespace tongueforge::binding
