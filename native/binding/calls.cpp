#include <ATen/Parallel.h>

#include "binding/exports.h"
#include "binding/priority.h"
#include "binding/to_js.h"
#include "serve/engine.h"

namespace tongueforge::binding {
namespace {

// OpenMP ends the process, without an exception, when it cannot have as many as it was told.
constexpr int64_t kMaxThreads = 1024;

int read_threads(const Options& options) {
  const int64_t threads = options.has("threads") ? options.integer("threads") : 0;
  if (threads >= 0 && threads <= kMaxThreads) return static_cast<int>(threads);
  throw Error("ERR_USAGE",
              str("threads: expected a whole number from 0 to ", kMaxThreads, ", received ", threads),
              "Leave it out, or give the number of cores.");
}

}  // namespace

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

Value problems_value(const std::vector<Error>& problems) {
  Value::List all;
  for (const auto& problem : problems)
    all.push_back(
        Value::Map{{"code", problem.code()}, {"message", problem.message()}, {"hint", problem.hint()}});
  return all;
}

Napi::Value start_answer(const Napi::CallbackInfo& info, JobThread::Body body) {
  const Options options(info[0]);
  const int threads = read_threads(options);
  return JobThread::start(info.Env(), info[1].As<Napi::Function>(),
                          [threads, body = std::move(body)](Job& job) {
                            if (threads > 0) at::set_num_threads(threads);
                            return body(job);
                          });
}

Napi::Value start_job(const Napi::CallbackInfo& info, JobThread::Body body) {
  return start_answer(info, [body = std::move(body)](Job& job) {
    if (serve::Engine::alive() > 0) lower_priority();
    return body(job);
  });
}

}  // namespace tongueforge::binding
