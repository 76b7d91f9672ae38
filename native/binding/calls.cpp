#include <ATen/Parallel.h>

#include "binding/exports.h"
#include "binding/to_js.h"

namespace tongueforge::binding {

Napi::Function guarded(Napi::Env env, const char* name, Export function) {
  return Napi::Function::New(
      env,
      [function](const Napi::CallbackInfo& info) -> Napi::Value {
        try {
          return function(info);
        } catch (const Napi::Error&) {
          throw;  // already a JS exception
        } catch (...) {
          napi_value error;
          if (error_to_js(info.Env(), current_error(), &error) == napi_ok) napi_throw(info.Env(), error);
          return info.Env().Undefined();
        }
      },
      name);
}

Napi::Value start_job(const Napi::CallbackInfo& info, JobThread::Body body) {
  const Options options(info[0]);
  const int threads = options.has("threads") ? static_cast<int>(options.integer("threads")) : 0;
  return JobThread::start(info.Env(), info[1].As<Napi::Function>(),
                          [threads, body = std::move(body)](Job& job) {
                            if (threads > 0) at::set_num_threads(threads);
                            return body(job);
                          });
}

}  // namespace tongueforge::binding
