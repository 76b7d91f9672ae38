// The addon itself: what it runs on, its jobs and its handles.
#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include "binding/exports.h"
#include "binding/handle.h"
#include "binding/to_js.h"
#include "kernels/matmul_rate.h"
#include "models/device.h"
#include "models/weights.h"

namespace tongueforge::binding {

// runtimeInfo(): RuntimeInfo
Napi::Value runtime_info(const Napi::CallbackInfo& info) {
  const Value::Map facts = {{"torch_version", TONGUEFORGE_TORCH_VERSION},
                            {"threads", at::get_num_threads()},
                            {"gpus", models::num_gpus()},
                            {"cpu_capability", at::get_cpu_capability()}};
  napi_value result = nullptr;
  to_js(info.Env(), Value(facts), &result);
  return {info.Env(), result};
}

// matmulRate({dtype, seconds}, on_event): {flops_per_second}
Napi::Value matmul_rate(const Napi::CallbackInfo& info) {
  const Options options(info[0]);
  return start_job(
      info,
      [dtype = models::scalar_type_from_name(options.text("dtype")),
       seconds = options.number("seconds")](Job& job) -> Value {
        return Value::Map{{"flops_per_second", kernels::measure_matmul_rate(dtype, seconds, job)}};
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
